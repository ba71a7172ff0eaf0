"""`kill -9` of runner, gateway and operator around one refund: one booking, a valid chain, the right phase.

Each case holds the world still at a moment of the refund, kills a program there, and lets the world go on:

    before the claim     the gateway is frozen at its named point before `tool.called` is appended
    call in flight       the shop has booked and holds its answer
    before the result    the gateway is frozen at its named point before the refund's `tool.result`
"""

import os
import signal

import psutil
import pytest

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant
from tests.e2e import record

RUN = "refund-approved"
FROZEN_AT = {
    "before the claim": "gateway.before.tool.called",
    "before the result": "gateway.after.send",
}
"""The gateway's named point at which each moment is held still."""


@pytest.mark.parametrize("victim", ["runner", "gateway", "operator"])
@pytest.mark.parametrize("moment", ["before the claim", "call in flight", "before the result"])
def test_a_killed_program_loses_nothing_and_doubles_nothing(tenant: Tenant, victim: str, moment: str) -> None:
    """One refund in the shop's own ledger, whoever dies and whenever."""
    platform = tenant.platform
    before = len(tenant.refunds())
    tenant.ask(RUN)
    gate = tenant.until_gate(RUN)
    tenant.until_phase(RUN, "WaitingForApproval")
    _arm(platform, moment)
    tenant.answer(gate, "Approved")
    tenant.until(moment, lambda: _is_held(platform, moment))
    _kill(tenant, victim)
    _go_on(platform, moment, victim)
    status = tenant.until_phase(RUN, "Succeeded", "Failed", "Killed")
    assert status["phase"] == "Succeeded", tenant.described()
    assert len(tenant.refunds()) - before == 1
    record.assert_sound(tenant, RUN)


def _arm(platform: Platform, moment: str) -> None:
    """See to it that the world stands still at this moment."""
    if moment == "call in flight":
        platform.shop("POST", "/faults", {"path": "/refunds", "mode": "hold"})
        return
    platform.stop("gateway")
    platform.start_gateway(KEELSTEP_STOP_AT=FROZEN_AT[moment])


def _is_held(platform: Platform, moment: str) -> bool:
    if moment == "call in flight":
        return bool(platform.shop("GET", "/faults/state")["waiting"] > 0)
    gateway = platform.find("gateway")
    return gateway is not None and psutil.Process(gateway.pid).status() == psutil.STATUS_STOPPED


def _kill(tenant: Tenant, victim: str) -> None:
    if victim == "runner":
        os.killpg(_runner_pid(tenant), signal.SIGKILL)
    else:
        world.kill(tenant.platform, victim)


def _runner_pid(tenant: Tenant) -> int:
    """The process group of the running attempt's Pod."""
    pod = tenant.status(RUN)["pod"]
    for process in psutil.process_iter(["environ", "name"]):
        environment = process.info["environ"] or {}
        if environment.get("KEELSTEP_TENANT") == tenant.name and environment.get("KEELSTEP_ATTEMPT") == "2":
            return os.getpgid(process.pid)
    raise AssertionError(f"no process runs pod {pod}")


def _go_on(platform: Platform, moment: str, victim: str) -> None:
    """Let the world go on, with what was killed started again as Kubernetes would."""
    gateway = platform.find("gateway")
    if moment != "call in flight" and gateway is not None:
        os.kill(gateway.pid, signal.SIGCONT)
    if victim == "operator":
        platform.start_operator()
    if victim == "gateway":
        platform.start_gateway()
    if moment == "call in flight":
        platform.shop("POST", "/faults/release")
