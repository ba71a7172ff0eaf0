"""Which Helm and which API server do these tests ask? The governed control plane, see `tests.integration.kinds.plane`."""

import pytest

from hack.helm import Helm
from tests.integration.kinds.plane import governed, namespace

__all__ = ["governed", "helm", "namespace"]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, which asks no cluster."""
    return Helm.ensure(tmp_path_factory.mktemp("helm"))
