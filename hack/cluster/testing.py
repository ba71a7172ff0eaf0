"""Which real control planes do tests run against? Session fixtures, ready for any `conftest.py`.

    from hack.cluster.testing import control_plane, programs  # noqa: F401

A control plane in a temporary folder, without fsync, that ends with the test run even if the run
is killed. Tests keep apart by a namespace of their own. No node: Pods are created, never run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hack.cluster import build, components, controlplane, progress, settings

API = components.CONTROL_PLANE[:2]
"""etcd and the API server alone: 2 s, no garbage collection, no namespace deletion."""

CONTROLLED = components.CONTROL_PLANE[:3]
"""With the controllers: owner references, namespace deletion, default service accounts."""


@pytest.fixture(scope="session")
def programs() -> Mapping[str, Path]:
    """Give the cluster's programs, built on a machine's first run (minutes, shown)."""
    return build.ensure(settings.read(), shown=progress.Progress())


@pytest.fixture(scope="session")
def control_plane(
    programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[controlplane.ControlPlane]:
    """Give one control plane, with controllers, for the whole test run."""
    folder = tmp_path_factory.mktemp("control-plane")
    plane = controlplane.start(folder, programs, names=CONTROLLED)
    yield plane
    plane.stop()
