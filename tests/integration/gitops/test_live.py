"""Do Argo CD and Flux show our kinds as the running system makes them, not only as they were once recorded?"""

import pytest

from tests.integration.gitops.scenes import SCENES
from tests.integration.operator.stage import Stage
from tests.unit.gitops import expected, health


@pytest.mark.parametrize("name", sorted(SCENES))
async def test_a_standing_is_shown_for_what_it_is(stage: Stage, name: str) -> None:
    """The same as of its recording."""
    found = await SCENES[name](stage)
    assert health.argocd(found)[0] == expected.ARGOCD[name]
    if name in expected.FLUX:
        assert health.flux(found) == expected.FLUX[name]
