"""Does the program start, refuse and end as it should?"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from keelstep.testing.broker import RunningBroker
from tests.integration.kinds import plane
from tests.integration.views import stage

WRONG: dict[str, tuple[dict[str, str | None], str]] = {
    "a missing address": ({"KEELSTEP_NATS_URL": None}, "KEELSTEP_NATS_URL: Field required"),
    "a port that is none": ({"KEELSTEP_VIEWS_PORT": "99999"}, "KEELSTEP_VIEWS_PORT: Input should be less"),
    "a missing certificate": ({"KEELSTEP_VIEWS_CERT_FILE": "/nowhere"}, "no such file: /nowhere"),
    "a missing keyring": ({"KEELSTEP_KEYRING": "/nowhere"}, "KEELSTEP_KEYRING"),
    "a key that is no key": ({"KEELSTEP_VIEWS_KEY_FILE": __file__}, "the certificates cannot be used"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_settings_end_it(case: str, broker: RunningBroker, governed: plane.Governed) -> None:
    """Exit 2 and one line that names the setting, never a stack trace."""
    changes, message = WRONG[case]
    given: dict[str, str | None] = {**os.environ, **stage.environment(broker, governed), **changes}
    environ = {name: value for name, value in given.items() if value is not None}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keelstep.views"), env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert message in stderr.decode()
    assert len(stderr.decode().splitlines()) == 1


async def test_a_signal_ends_it_well(broker: RunningBroker, governed: plane.Governed, tmp_path: Path) -> None:
    """SIGTERM, as Kubernetes sends it, is exit 0."""
    async with stage.running(stage.environment(broker, governed), tmp_path / "views.log") as (process, _):
        process.terminate()
        async with asyncio.timeout(stage.START_SECONDS):
            assert await process.wait() == 0
