"""A terminal in front of a governed cluster with a views API."""

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.policies.conftest import enforced
from tests.integration.views import stage
from tests.integration.views.conftest import governed, namespace, views, writers

__all__ = ["enforced", "governed", "namespace", "views", "writers"]


@pytest.fixture
def terminal(views: stage.Views, namespace: str) -> Terminal:
    """A terminal in a namespace of the test's own."""
    return Terminal(views, namespace)
