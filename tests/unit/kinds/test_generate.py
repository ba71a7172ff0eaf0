"""Does `python -m hack.generate` write what differs, and does `--check` name it and touch nothing?"""

from pathlib import Path

import pytest
import yaml

from hack.generate import __main__ as generate
from hack.generate import example, reference
from keelstep import kinds
from keelstep.kinds import resource

ROOT = Path(__file__).resolve().parents[3]


def test_the_repository_is_up_to_date() -> None:
    """Every checked-in file is what the models say; `python -m hack.generate` mends it."""
    assert generate.find_differences(ROOT, generate.render_all()) == []


def test_check_names_what_differs_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file edited by hand, a missing one and a stale one are each named; the exit status is 1."""
    assert generate.main([], root=tmp_path) == 0
    (tmp_path / "crds" / "execution.yaml").write_text("edited: true\n")
    (tmp_path / "crds" / "toolcontract.yaml").unlink()
    (tmp_path / "crds" / "forgotten.yaml").write_text("stale: true\n")
    capsys.readouterr()
    assert generate.main(["--check"], root=tmp_path) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == [
        "crds/execution.yaml",
        "crds/forgotten.yaml",
        "crds/toolcontract.yaml",
    ]
    assert (tmp_path / "crds" / "execution.yaml").read_text() == "edited: true\n"


def test_writing_mends_everything_and_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After writing, a check finds nothing; a file no model stands behind is removed."""
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "forgotten.yaml").write_text("stale: true\n")
    assert generate.main([], root=tmp_path) == 0
    assert "removed crds/forgotten.yaml" in capsys.readouterr().out
    assert generate.main(["--check"], root=tmp_path) == 0
    assert generate.main([], root=tmp_path) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_kinds_page_begins_with_an_example_of_it_and_leads_to_the_reasons(
    kind: type[resource.Resource],
) -> None:
    """The manifest of the page is one that the kind takes; the file it is said to come from is there."""
    page = reference.render(kind)
    manifest = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    assert manifest["kind"] == kind.crd.kind
    assert kind.model_validate(manifest).metadata.namespace == "refunds"
    assert page.index("## Example") < page.index("## spec")
    assert "${" not in page, "a placeholder of the manifests was left"
    assert "(reasons.md)" in page
    source = example.source(kind)
    assert not source or (ROOT / "docs" / source).is_file()
