"""When do these tests run? Where `make e2e` asks for them; anywhere else they are skipped, loudly."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

from hack.cluster import errors, settings
from hack.cluster.containerd import requirements
from hack.images import errors as image_errors
from hack.images.buildah import Buildah
from tests.release import scene as scenes

ASKED = "KEELSTEP_RELEASE"


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scenes.Scene]:
    """One cluster for the whole story; skipped with a reason where it cannot be had."""
    if os.environ.get(ASKED) != "1":
        pytest.skip("minutes, and root: `make e2e` runs it")
    configured = dataclasses.replace(settings.read(), state=tmp_path_factory.mktemp("state"))
    try:
        requirements.check(configured)
        Buildah.find(configured)
    except (errors.MissingPrerequisite, image_errors.MissingPrerequisite) as missing:
        pytest.skip(f"no release can be tried here: {missing}")
    with scenes.staged(configured, tmp_path_factory.mktemp("release")) as staged:
        yield staged
        for what, seconds in staged.timings.items():
            print(f"{what}: {seconds:.1f} s")  # noqa: T201 what `make e2e` tells
        for pod, (memory, cpu) in sorted(staged.footprint().items()):
            print(f"{pod}: {memory:.0f} MiB, {cpu:.0f} m")  # noqa: T201
