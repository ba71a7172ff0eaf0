"""How is a run held, ended, given up, and tidied away?"""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator

import nats.errors
import psutil

from keelstep.events import envelope
from keelstep.log import jetstream, subjects
from keelstep.log.names import Names
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status


async def test_a_finished_run_succeeds_and_its_identity_ends(stage: Stage) -> None:
    """Succeeded with the runner's reason, cost and times; Secret deleted, identity revoked, Pod kept for its log."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    client = await cast.connect(1)
    await cast.model(envelope.Cost(tokens_in=10, tokens_out=5, micro_usd=1_500))
    await cast.finish("OutputAccepted")

    done = await stage.until_phase(run, "Succeeded", "OutputAccepted")

    assert condition(done, "Succeeded")["status"] == "True"
    assert status(done)["costUSD"] == "0.0015"
    assert status(done)["tokens"] == 15
    assert status(done)["finishedAt"]
    stage_pod = manifests.core("Pod", tenant, "run-a1")
    patch_pod(stage, stage_pod, phase="Succeeded")
    await stage.until_gone(manifests.core("Secret", tenant, "run-a1-identity"))
    await stage.eventually(lambda: client.is_closed, "the identity is revoked")
    assert stage.get(stage_pod) is not None


async def test_cancel_ends_a_run_in_good_order(stage: Stage) -> None:
    """exec.cancelled, then exec.finished{cancelled}; the Pod goes, and Succeeded is false."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant

    stage.patch(run, {"spec": {"cancel": True}})

    done = await stage.until_phase(run, "Cancelled")
    assert condition(done, "Succeeded")["status"] == "False"
    state = await cast.state()
    assert state.finished is not None
    assert state.finished.outcome == "cancelled"
    await stage.until_gone(manifests.core("Pod", tenant, "run-a1"))


async def test_a_cancelled_run_unwinds_until_its_calls_are_settled(stage: Stage) -> None:
    """Unwinding while a claim is open; nothing begins, the gateway still records its outcome."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    plan = await cast.plan(("orders.get", {"order_id": "1"}))
    claim = await cast.claim("orders.get", plan)
    stage.patch(run, {"spec": {"cancel": True}})

    await stage.until_phase(run, "Unwinding")
    await cast.result("orders.get", plan, claim)

    await stage.until_phase(run, "Cancelled")


async def test_suspend_holds_a_run_and_resume_goes_on_with_a_new_attempt(stage: Stage) -> None:
    """Both are events; while suspended there is no Pod and no attempt."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await cast.model()
    stage.patch(run, {"spec": {"suspend": True}})
    await stage.until_phase(run, "Suspended")
    await stage.until_gone(manifests.core("Pod", tenant, "run-a1"))

    stage.patch(run, {"spec": {"suspend": False}})

    await stage.until_phase(run, "Running")
    assert (await cast.state()).attempt == 2
    await stage.until(manifests.core("Pod", tenant, "run-a2"), bool)


async def test_a_run_whose_time_is_up_fails_even_while_it_waits_for_a_person(stage: Stage) -> None:
    """DeadlineExceeded; the question is withdrawn."""
    run, cast = await Cast.begun(stage, deadlineSeconds=3)
    tenant = cast.tenant
    seq = await cast.ask_for_refund()
    await stage.until_phase(run, "WaitingForApproval")

    await stage.until(run, lambda found: status(found).get("phase") == "Failed", "it ends at its deadline")

    state = await cast.state()
    assert state.finished is not None
    assert state.finished.reason == "DeadlineExceeded"
    gate = await stage.until(
        manifests.gate(tenant, f"run-g{seq}"), lambda found: status(found).get("phase") != "Pending"
    )
    assert status(gate)["phase"] in ("Withdrawn", "Expired")


async def test_a_runner_that_writes_without_pause_is_killed_all_the_same(stage: Stage) -> None:
    """Its identity is ended while the kill is appended, not afterwards: what it keeps writing keeps nobody out."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    client = await cast.connect(1)
    subject = subjects.spine(0, tenant, cast.xid, subjects.attempt(1))

    async def flood() -> None:
        with contextlib.suppress(nats.errors.Error):
            while not client.is_closed:
                await client.publish(subject, b"{}")
                await asyncio.sleep(0)

    await jetstream.publish(client, subject, b"{}")
    flooding = asyncio.create_task(flood())
    stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "it floods"}}})

    await stage.until_phase(run, "Killed", "ExecutionKilled")
    await flooding
    await stage.eventually(lambda: client.is_closed, "its identity is ended")
    voids = (await cast.state()).voids
    assert voids > 0
    told = stage.operator.said_since_start().count("message_void")
    assert 0 < told <= 2 * voids.bit_length()


async def test_a_run_whose_log_cannot_be_read_is_cut_off_all_the_same(stage: Stage) -> None:
    """Whoever keeps the log from being read, as a runner can that writes without pause, keeps no identity by it."""
    run, cast = await Cast.begun(stage)
    client = await cast.connect(1)
    async with unreadable(stage):
        stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "nobody can read it"}}})
        await stage.eventually(lambda: client.is_closed, "its identity is ended")

    await stage.until_phase(run, "Killed", "ExecutionKilled")


async def test_an_operator_that_never_read_the_log_cuts_the_run_off_all_the_same(stage: Stage) -> None:
    """It knows the run from its status and its Pods."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    client = await cast.connect(1)
    await stage.operator.kill()
    process = await stage.operator.launch(
        KEELSTEP_NAMESPACES=json.dumps([tenant]), KEELSTEP_STOP_AT="operator.before.name"
    )
    try:
        await stage.eventually(
            lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "it is about to look"
        )
        async with unreadable(stage):
            stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "nobody can read it"}}})
            stage.operator.send(signal.SIGCONT)
            await stage.eventually(lambda: client.is_closed, "its identity is ended")
        await stage.until_phase(run, "Killed", "ExecutionKilled")
    finally:
        await stage.operator.kill()
        await stage.operator.start()


@contextlib.asynccontextmanager
async def unreadable(stage: Stage) -> AsyncIterator[None]:
    """Nobody's log can be read, while the block lasts."""
    await stage.broker.change_stream(subjects.stream(0), allow_direct=False)
    try:
        yield
    finally:
        await stage.broker.change_stream(subjects.stream(0), allow_direct=True)


async def test_an_execution_kill_is_final(stage: Stage) -> None:
    """spec.killSwitch: exec.killed, identity revoked, Pod and Secret gone; taking it back changes nothing."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    client = await cast.connect(1)

    stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "wrong customer"}}})

    killed = await stage.until_phase(run, "Killed", "ExecutionKilled")
    assert status(killed)["killSwitch"]["reason"] == "wrong customer"
    assert client.is_closed
    await stage.until_gone(manifests.core("Pod", tenant, "run-a1"))
    await stage.until_gone(manifests.core("Secret", tenant, "run-a1-identity"))
    stage.patch(run, {"spec": {"killSwitch": {"engaged": False}}})
    await stage.until(
        run,
        lambda found: status(found)["observedGeneration"] == found["metadata"]["generation"],
        "the change was seen",
    )
    assert (await cast.state()).attempt == 1


async def test_attempts_that_do_nothing_are_given_up(stage: Stage) -> None:
    """AttemptsExhausted after the limit of attempts in a row without an event, naming the last Pod's reason."""
    tenant = stage.tenant()
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_ATTEMPT_LIMIT="2")
    run = manifests.execution(tenant)
    stage.create(run)
    await Cast.of(stage, run)
    for number in (1, 2):
        pod = manifests.core("Pod", tenant, f"run-a{number}")
        await stage.until(pod, bool, f"attempt {number} has its Pod")
        patch_pod(stage, pod, phase="Failed", reason="Error", exit_code=7)

    failed = await stage.until_phase(run, "Failed", "AttemptsExhausted")

    assert "exit code 7" in status(failed)["outcome"]
    await stage.operator.stop()
    await stage.operator.start()


async def test_time_after_the_end_deletes_the_resource_and_keeps_the_log(stage: Stage) -> None:
    """ttlSecondsAfterFinished."""
    run, cast = await Cast.begun(stage, ttlSecondsAfterFinished=1)
    await cast.model()
    await cast.finish()

    await stage.until_gone(run, "its time after the end is up")

    assert (await cast.state()).finished is not None


async def test_what_is_applied_again_after_its_time_is_not_done_again(stage: Stage) -> None:
    """Git says so over and over: the same run, already finished. Another spec may have the name."""
    run, cast = await Cast.begun(stage, ttlSecondsAfterFinished=1)
    await cast.model()
    await cast.finish()
    await stage.until_gone(run, "its time after the end is up")
    await stage.awaited(lambda: _state_of_name(stage, cast, "expired"), "the name is left")

    stage.create(run)

    await stage.awaited(lambda: _state_of_name(stage, cast, "bound"), "the name has its log again")
    await stage.until_gone(run, "its time is up still")
    assert (await cast.state()).attempt == 1
    await stage.awaited(lambda: _state_of_name(stage, cast, "expired"), "the name is left again")
    other = manifests.execution(cast.tenant, goal="Something else.")
    stage.create(other)
    assert (await Cast.of(stage, other)).xid != cast.xid


async def _state_of_name(stage: Stage, cast: Cast, state: str) -> bool:
    entry = await Names(cast.core).lookup(cast.tenant, cast.name)
    return entry is not None and entry.record.state == state and entry.record.xid == cast.xid


def patch_pod(
    stage: Stage, pod: api.Object, *, phase: str, reason: str = "", exit_code: int = 0, waiting: str = ""
) -> None:
    """Say of a Pod what its node would say."""
    image = "runner.example/keelstep:test"
    state: api.Object = {"terminated": {"exitCode": exit_code, "reason": reason or "Completed"}}
    if waiting:
        state = {"waiting": {"reason": waiting, "message": "no such image"}}
    container = {
        "name": "runner",
        "image": image,
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    patch = {"status": {"phase": phase, "containerStatuses": [container]}}
    answer = stage.admin.patch(pod, patch, subresource="status")
    assert answer.is_ok, answer.message
