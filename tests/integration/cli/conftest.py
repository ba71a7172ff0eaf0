"""A terminal in front of a governed cluster with a views API."""

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import plane
from tests.integration.policies.conftest import enforced
from tests.integration.views import stage
from tests.integration.views.conftest import governed, namespace, views, writers

__all__ = ["enforced", "governed", "namespace", "views", "writers"]


@pytest.fixture
def terminal(views: stage.Views, namespace: str, enforced: plane.Governed) -> Terminal:
    """A terminal in a namespace of the test's own, in front of a cluster whose policies are in force."""
    assert enforced is views.governed
    return Terminal(views, namespace)
