"""When do these tests run? Where `make e2e` asks for them; anywhere else they are skipped, loudly."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

from hack import release
from hack.cluster import errors, progress, settings
from hack.cluster.containerd import requirements
from hack.images import errors as image_errors
from hack.images.buildah import Buildah

ASKED = "KEELSTEP_RELEASE"


@pytest.fixture(scope="session")
def node_is_possible() -> settings.Settings:
    """Settings; skipped with a reason where no node and no images can be had."""
    if os.environ.get(ASKED) != "1":
        pytest.skip("minutes, and root: `make e2e` runs it")
    configured = settings.read()
    try:
        requirements.check(configured)
        Buildah.find(configured)
    except (errors.MissingPrerequisite, image_errors.MissingPrerequisite) as missing:
        pytest.skip(f"no release can be tried here: {missing}")
    return configured


@pytest.fixture(scope="session")
def scene(
    tmp_path_factory: pytest.TempPathFactory, node_is_possible: settings.Settings
) -> Iterator[release.Scene]:
    """One cluster for the whole story."""
    configured = dataclasses.replace(node_is_possible, state=tmp_path_factory.mktemp("state"))
    folder, shown = tmp_path_factory.mktemp("release"), progress.Progress()
    before = release.sources_before(folder / "before")
    if before is None:
        pytest.skip("this clone has no release before this one: `git fetch --unshallow`")
    archives = [
        *release.images(before, folder / release.BEFORE, release.BEFORE, shown),
        *release.images(settings.REPOSITORY, folder / release.NOW, release.NOW, shown),
    ]
    with release.staged(configured, folder, archives, shown, before) as staged:
        yield staged
        for what, seconds in staged.timings.items():
            print(f"{what}: {seconds:.1f} s")  # noqa: T201 what `make e2e` tells
