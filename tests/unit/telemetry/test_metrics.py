"""Is every metric of every program named, explained, and bounded?"""

import re

import pytest

from hack.generate import metrics
from hack.generate.metrics import Family
from keelstep import scrape

FAMILIES = {family.name: family for family in metrics.families()}
_NAME = re.compile(r"^(agent|keelstep)_[a-z][a-z_]*[a-z]$")
_OF_ONE_RUN = {"execution", "execution_id", "xid", "trace_id", "name", "user", "requester", "approver", "pod"}

PROMISED = {
    "agent_run_duration_seconds": ("histogram", {"strategy", "tenant", "success"}),
    "agent_tokens_total": ("counter", {"model", "tenant", "direction"}),
    "agent_cost_usd_total": ("counter", {"strategy", "tenant"}),
    "agent_tool_duration_seconds": ("histogram", {"tool"}),
    "agent_tool_errors_total": ("counter", {"tool", "error_type"}),
    "agent_human_review_queue_depth": ("gauge", set()),
    "agent_kill_switch_active": ("gauge", {"scope"}),
}
"""The names that the system was conceived with, with their labels in our words."""


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_promised_metric_is_there(name: str) -> None:
    """Under its name, of its type, with its labels."""
    found = FAMILIES[name]
    assert (found.type, set(found.labels)) == PROMISED[name]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_a_metric_is_named_by_the_rules(family: Family) -> None:
    """A prefix of ours; counters end in `_total`; the meaning is a sentence."""
    assert _NAME.match(family.name)
    assert (family.type == "counter") == family.name.endswith("_total")
    assert family.meaning[0].isupper() or family.meaning[0] == "1"
    assert family.meaning.endswith(".")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_label_is_explained_and_none_names_one_run(family: Family) -> None:
    """Either its values are ours, or they are bounded; a run's name would be a series for each run."""
    assert not set(family.labels) & _OF_ONE_RUN
    assert set(family.labels) <= metrics.CHOSEN.keys() | metrics.CLOSED.keys()


def test_every_explained_label_is_used() -> None:
    """What no metric has any more is not explained either."""
    used = {label for family in FAMILIES.values() for label in family.labels}
    assert used == metrics.CHOSEN.keys() | metrics.CLOSED.keys()


def test_one_name_means_one_thing_in_every_program() -> None:
    """Void messages are seen by whoever reads a log: one name, one meaning, one set of labels."""
    assert FAMILIES["keelstep_void_messages_total"].programs == ("operator", "projector")


def test_after_the_first_so_many_names_every_new_one_is_other() -> None:
    """Those known stay; a combination counts as one."""
    bound = scrape.Bound(most=2)
    assert bound.of("a", "x") == ("a", "x")
    assert bound.of("a", "y") == ("a", "y")
    assert bound.of("b", "x") == (scrape.OTHER, scrape.OTHER)
    assert bound.of("a", "x") == ("a", "x")
