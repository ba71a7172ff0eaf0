"""Is every page found, and does every link lead somewhere, in the repository and on the site?"""

import re
from pathlib import Path

import pytest

from hack.docs import __main__ as docs
from hack.docs import errors, links, navigation, stage


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two pages and a file that one of them shows."""
    root = tmp_path / "repository"
    (root / "docs").mkdir(parents=True)
    (root / "examples").mkdir()
    (root / "README.md").write_text(
        "# Home\n\nSee [the page](docs/page.md#part) and [docs](docs/README.md).\n"
    )
    (root / "docs/README.md").write_text("# Pages\n")
    (root / "docs/page.md").write_text(
        "# Page\n\n## Part\n\n[agent](../examples/agent.yaml) [home](../README.md)\n"
    )
    (root / "examples/agent.yaml").write_text("kind: AgentStrategy\n")
    return root


def test_links_lead_to_where_files_lie_on_the_site(repository: Path, tmp_path: Path) -> None:
    """Pages of docs/ come to the top; what they link to comes along."""
    staged = stage.stage(repository, tmp_path / "pages")
    assert staged == ["examples/agent.yaml", "index.md", "page.md", "pages.md"]
    assert "[the page](page.md#part) and [docs](pages.md)" in (tmp_path / "pages/index.md").read_text()
    assert "[agent](examples/agent.yaml) [home](index.md)" in (tmp_path / "pages/page.md").read_text()


def test_a_link_to_what_is_not_there_is_named_with_its_page(repository: Path, tmp_path: Path) -> None:
    """Whoever wrote it reads where."""
    (repository / "docs/page.md").write_text("# Page\n\n[gone](gone.md)\n")
    with pytest.raises(errors.BrokenLinkError, match=r"docs/page\.md: there is no gone\.md"):
        stage.stage(repository, tmp_path / "pages")


def test_what_only_looks_like_a_link_is_left_alone(repository: Path, tmp_path: Path) -> None:
    """Code is shown as it is."""
    text = "# Page\n\n`[a](b.md)`\n\n```\n[c](d.md)\n```\n\n[far](https://example.com/x.md)\n"
    (repository / "docs/page.md").write_text(text)
    stage.stage(repository, tmp_path / "pages")
    assert (tmp_path / "pages/page.md").read_text() == text


def test_what_belongs_to_an_item_of_a_list_stays_in_it() -> None:
    """GitHub is content with the width of the item's mark, the generator is not: steps would all be number one."""
    steps = "1. Look.\n\n   ```sh\n   keelstep status\n     -A\n   ```\n\n2. Then\n   act.\n\n"
    text = f"{steps}```\n- no item\n  x\n```\n- a\n  b\n"
    assert stage.deepened(text) == (
        "1. Look.\n\n    ```sh\n    keelstep status\n      -A\n    ```\n\n2. Then\n    act.\n\n"
        "```\n- no item\n  x\n```\n- a\n    b\n"
    )


def test_no_list_of_ours_is_torn_by_a_block_of_code(tmp_path: Path) -> None:
    """In the pages as they are staged."""
    stage.stage(docs.ROOT, tmp_path / "pages")
    torn = [
        f"{path.name}: {line}"
        for path in (tmp_path / "pages").rglob("*.md")
        for line in path.read_text().splitlines()
        if re.match(r"^ {1,3}```", line)
    ]
    assert torn == []


def test_a_page_that_nobody_has_placed_is_found_under_more(repository: Path, tmp_path: Path) -> None:
    """By its own heading."""
    staged = stage.stage(repository, tmp_path / "pages")
    configuration = tmp_path / "site.yml"
    configuration.write_text("nav: [{Home: index.md}, {All: pages.md}]\n")
    site = navigation.complete(configuration, tmp_path / "pages", staged)
    assert site["nav"][-1] == {"More": [{"Page": "page.md"}]}


def test_a_page_that_is_gone_is_named(repository: Path, tmp_path: Path) -> None:
    """The navigation leads nowhere else."""
    staged = stage.stage(repository, tmp_path / "pages")
    configuration = tmp_path / "site.yml"
    configuration.write_text("nav: [{Gone: gone.md}]\n")
    with pytest.raises(errors.NavError, match=r"nav: there is no page gone\.md"):
        navigation.complete(configuration, tmp_path / "pages", staged)


def test_a_folder_in_the_navigation_stands_for_its_pages(repository: Path, tmp_path: Path) -> None:
    """Each under its own heading."""
    (repository / "docs/decisions").mkdir()
    (repository / "docs/decisions/first.md").write_text("# The first\n")
    staged = stage.stage(repository, tmp_path / "pages")
    configuration = tmp_path / "site.yml"
    configuration.write_text("nav: [index.md, page.md, pages.md, {Decisions: decisions/}]\n")
    site = navigation.complete(configuration, tmp_path / "pages", staged)
    assert site["nav"][-1] == {"Decisions": [{"The first": "decisions/first.md"}]}


def test_a_link_of_the_built_site_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    """A file, and a heading of a file."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html#part">b</a><a href="b.html#whole">b</a><a href="c.html">c</a>'
    )
    (tmp_path / "b.html").write_text(
        '<h2 id="part">Part</h2><script src="https://cdn.example/x.js"></script>'
    )
    with pytest.raises(errors.BrokenLinkError) as caught:
        links.check(tmp_path)
    assert str(caught.value).splitlines() == [
        "a.html: b.html#whole: there is no such heading",
        "a.html: c.html: there is no such file",
        "b.html: https://cdn.example/x.js: would be fetched from elsewhere",
    ]


def test_our_pages_are_all_in_the_navigation_and_link_to_what_is_there(tmp_path: Path) -> None:
    """Without a site generator: the pages as they are staged."""
    staged = stage.stage(docs.ROOT, tmp_path / "pages")
    assert navigation.complete(docs.CONFIGURATION, tmp_path / "pages", staged)["nav"]


def test_the_threat_model_names_tests_that_exist() -> None:
    """A defence is as good as what holds it."""
    text = (docs.ROOT / "docs/threat-model.md").read_text()
    named = re.findall(r"`((?:tests|policies)/[^`]+)`", text)
    assert len(named) > 10
    assert [path for path in named if not (docs.ROOT / path).exists()] == []


def test_diagrams_are_seen_whole() -> None:
    """Text drawn wider than a laptop's page would have to be scrolled."""
    wide = [
        f"{path.name}: {line}"
        for path in (docs.ROOT / "docs").glob("*.md")
        for line, is_prose in stage.prose(path.read_text())
        if not is_prose and any(mark in line for mark in "│┌└►▼") and len(line) > 110
    ]
    assert wide == []
