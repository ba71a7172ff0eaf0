"""The governed control plane for these tests; see `plane`."""

from tests.integration.kinds.plane import governed, namespace

__all__ = ["governed", "namespace"]
