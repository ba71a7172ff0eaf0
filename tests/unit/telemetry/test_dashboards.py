"""Does every panel of every dashboard ask for what exists, and can Grafana show it?"""

import re

import pytest

from hack import dashboards as generated
from hack.generate import metrics
from tests.unit.telemetry import alerts, dashboards

FOUND = dashboards.read()
QUERIES = dashboards.queries()
PANELS = {
    f"{name}: {panel['title']}": panel for name, found in FOUND.items() for panel in dashboards.panels(found)
}
SERIES = metrics.series()
_BY = re.compile(r"\bby \(([^)]*)\)")
_SELECTOR = re.compile(r"((?:agent|keelstep)_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def test_there_are_three_dashboards_each_at_an_address_of_its_own() -> None:
    """Fleet, economics, machinery; a link leads from each to the others."""
    assert set(FOUND) == {each.name for each in generated.read_all()} == {"fleet", "economics", "machinery"}
    assert {found["uid"] for found in FOUND.values()} == {f"keelstep-{name}" for name in FOUND}
    for found in FOUND.values():
        assert found["links"][0]["tags"] == found["tags"] == ["keelstep"]


@pytest.mark.parametrize("place", QUERIES)
def test_a_query_asks_for_metrics_that_exist(place: str) -> None:
    """A name that no program has would be an empty panel for ever."""
    names = alerts.metrics_in(QUERIES[place])
    assert names
    assert names <= SERIES.keys()


@pytest.mark.parametrize("place", QUERIES)
def test_a_query_selects_and_groups_by_labels_that_its_metrics_have(place: str) -> None:
    """A label that is never set selects nothing and groups everything."""
    query = QUERIES[place]
    for name, selector in _SELECTOR.findall(query):
        assert set(_LABEL.findall(selector)) <= set(SERIES[name].labels)
    grouped = {label.strip() for labels in _BY.findall(query) for label in labels.split(",")} - {"le"}
    for name in alerts.metrics_in(query):
        assert grouped <= set(SERIES[name].labels)


@pytest.mark.parametrize("place", [place for place, panel in PANELS.items() if panel["type"] == "timeseries"])
def test_a_line_is_called_by_the_labels_that_its_query_keeps(place: str) -> None:
    """Else lines have the same name, or a name with a hole."""
    for target in PANELS[place]["targets"]:
        kept = {label.strip() for labels in _BY.findall(target["expr"]) for label in labels.split(",")}
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == kept - {"le"}


@pytest.mark.parametrize("place", PANELS)
def test_a_panel_says_what_it_means(place: str) -> None:
    """A title of its own, and a sentence for whoever sees it for the first time."""
    panel = PANELS[place]
    assert panel["title"][0].isupper()
    assert panel["description"].endswith((".", "?"))
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("name", FOUND)
def test_panels_lie_side_by_side_and_not_on_each_other(name: str) -> None:
    """Within Grafana's 24 columns, each with a number of its own."""
    panels = FOUND[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= own


@pytest.mark.parametrize("name", FOUND)
def test_every_variable_that_is_used_can_be_chosen_and_every_other_is_gone(name: str) -> None:
    """Beside those that Grafana brings."""
    found = FOUND[name]
    offered = {each["name"]: each for each in found["templating"]["list"]}
    asked = [target["expr"] for panel in dashboards.panels(found) for target in panel["targets"]]
    asked += [each["query"]["query"] for each in offered.values() if each["type"] == "query"]
    asked += [panel["datasource"]["uid"] for panel in dashboards.panels(found)]
    used = set().union(*(dashboards.variables(text) for text in asked))
    assert used - dashboards.BUILT_IN.keys() == offered.keys()


@pytest.mark.parametrize("name", FOUND)
def test_a_choice_is_offered_from_a_metric_that_has_the_label(name: str) -> None:
    """`label_values` of anything else offers nothing."""
    for each in FOUND[name]["templating"]["list"]:
        if each["type"] == "query":
            (metric,) = alerts.metrics_in(each["query"]["query"])
            assert each["name"] in SERIES[metric].labels
