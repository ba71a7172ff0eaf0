"""Prometheus' own programs, built from pinned modules as Kubernetes' are; a loud skip where they cannot be."""

from pathlib import Path

import pytest

from hack.cluster import build, errors, progress, settings


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program that checks rules."""
    try:
        return build.ensure(settings.read(), ("promtool",), progress.Progress())["promtool"]
    except (errors.MissingPrerequisite, errors.BuildFailed) as error:
        pytest.skip(f"NOT TESTED: promtool cannot be built here: {error}")
