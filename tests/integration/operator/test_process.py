"""How does the operator's process begin and end?"""

import asyncio
from pathlib import Path

from hack.cluster import build, components, controlplane, settings
from tests.integration.kinds import plane
from tests.integration.operator.stage import Stage


async def test_a_missing_setting_is_said_in_a_line(stage: Stage) -> None:
    """Exit 2, the variable's name and what it is for; no stack trace."""
    status, said = await stage.operator.failed(KEELSTEP_NATS_URL="", KEELSTEP_SHARD="x")
    assert status == 2
    assert "KEELSTEP_NATS_URL" in said
    assert "KEELSTEP_SHARD" in said
    assert "Traceback" not in said


async def test_a_file_that_cannot_be_used_is_said_in_a_line(stage: Stage, tmp_path: Path) -> None:
    """Exit 2, naming the setting and the file."""
    empty = tmp_path / "empty"
    empty.write_text("nothing of use")
    for setting in ("SIGNING_KEY", "KEYRING", "NATS_RUN_KEY", "ACCOUNTS", "KUBECONFIG"):
        status, said = await stage.operator.failed(**{f"KEELSTEP_{setting}": str(empty)})
        assert status == 2, said
        assert str(empty) in said
        assert "Traceback" not in said


async def test_it_ends_cleanly_when_told_to(stage: Stage) -> None:
    """SIGTERM: exit 0."""
    assert await stage.operator.stop() == 0
    await stage.operator.start()


async def test_without_our_kinds_it_says_so_and_waits(stage: Stage, tmp_path: Path) -> None:
    """The message says what to apply; it begins once they are there."""
    programs = build.ensure(settings.read())
    bare = controlplane.start(tmp_path / "bare", programs, names=components.CONTROL_PLANE[:2])
    try:
        await stage.operator.stop()
        process = await stage.operator.launch(KEELSTEP_KUBECONFIG=str(bare.admin_kubeconfig))
        await stage.eventually(
            lambda: "kubectl apply --server-side -f crds/" in stage.operator.said_since_start(), "it says so"
        )
        assert process.returncode is None
        command = (str(bare.kubectl), f"--kubeconfig={bare.admin_kubeconfig}", "apply", "--server-side")
        applied = await asyncio.create_subprocess_exec(*command, f"--filename={plane.ROOT / 'crds'}")
        assert await applied.wait() == 0
        await stage.eventually(lambda: '"event": "ready"' in stage.operator.said_since_start(), "it begins")
    finally:
        await stage.operator.stop()
        bare.stop()
        await stage.operator.start()
