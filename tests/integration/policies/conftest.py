"""The governed control plane with every policy enforced."""

import pytest

from tests.integration.kinds import plane
from tests.integration.kinds.plane import governed, namespace
from tests.integration.policies import samples

__all__ = ["enforced", "governed", "namespace"]


@pytest.fixture(scope="session")
def enforced(governed: plane.Governed) -> plane.Governed:
    """The control plane once each policy has refused something: a fresh policy takes about a second."""
    for policy in samples.POLICIES:
        sample = next(s for s in samples.read_all() if s.policy == policy and not s.is_accepted)

        def is_enforced(sample: samples.Sample = sample) -> bool:
            return sample.refused in samples.send(sample, governed, governed.namespace()).message

        plane.until(is_enforced, f"the policy {policy} refuses {sample.title}")
    return governed
