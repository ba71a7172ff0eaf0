"""The document of a real API server, which has our kinds as well."""

import json

import pytest

from tests.integration.kinds.plane import Governed, governed, namespace

__all__ = ["governed", "namespace"]

PATH = "/openapi/v3/api/v1"


@pytest.fixture(scope="session")
def kubernetes(governed: Governed) -> bytes:
    """The core API of Kubernetes, described by its own API server."""
    return json.dumps(governed.admin.fetch(PATH).body).encode()
