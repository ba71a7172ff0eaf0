"""Do the catalogue, the Containerfile and what is installed agree?"""

import re
import tomllib

from typer.testing import CliRunner

from hack.cluster.settings import REPOSITORY
from hack.images import build, catalogue, cli

CONTAINERFILE = (REPOSITORY / "Containerfile").read_text()


def test_every_image_is_a_stage_and_stands_in_its_order() -> None:
    """buildah walks through every stage before the one it is asked for."""
    stages = re.findall(r"^FROM \S+ AS (\S+)$", CONTAINERFILE, re.MULTILINE)
    names = [target.name for target in catalogue.TARGETS]
    assert [stage for stage in stages if stage in names] == names


def test_every_program_of_ours_but_the_person_s_own_is_in_an_image() -> None:
    """A program that pyproject.toml adds is not forgotten here; `keelstep` is what a person runs."""
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    kept = re.findall(r"^RUN sh install ours (.+)$", CONTAINERFILE, re.MULTILINE)
    assert {name for line in kept for name in line.split()} == scripts.keys() - {
        "keelstep",
        "kubectl-keelstep",
    }


def test_nothing_of_the_machine_s_own_is_copied() -> None:
    """What a build needs of the machine is mounted while it runs; what is ignored cannot be copied."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    named = {word for line in copied for word in line.split()}
    ignored = (REPOSITORY / ".containerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert {re.sub(r"requirements/\w+\.txt", "requirements/*.txt", name) for name in named} == allowed
    assert not any(file in CONTAINERFILE for file in build.MACHINE_FILES)


def test_an_unknown_image_is_refused_with_the_list_of_those_there_are() -> None:
    """Before anything is built."""
    done = CliRunner().invoke(cli.app, ["sbom", "submarine"])
    assert "there is no image submarine; there are runner, operator, projector, gateway" in str(
        done.exception
    )
