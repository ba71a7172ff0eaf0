"""Is a log that somebody tampered with reported, and by what?"""

from keelstep.events import clock, envelope, types
from keelstep.log.identities import Role
from tests.integration.kinds import api
from tests.integration.views import stage
from tests.integration.views.written import Writers, Written


async def _verified(views: stage.Views, run: Written) -> api.Object:
    path = f"namespaces/{run.tenant}/executionverifications/{run.name}"
    return (await views.fetch(path)).body


def _held(run: Written, seq: int, prev: str) -> bytes:
    """An event that the operator might have written."""
    return envelope.encode(
        envelope.Envelope(
            v=envelope.VERSION,
            id="f" * 32,
            type="exec.suspended",
            tenant=run.tenant,
            execution=run.xid,
            root=run.xid,
            parent=None,
            trace_id="7f" * 16,
            seq=seq,
            step=0,
            attempt=1,
            actor="mallory",
            ts=clock.text(clock.now()),
            prev=prev,
            cost=envelope.FREE,
            data=envelope.raw(types.Interruption(by="mallory", reason="because")),
        )
    )


async def test_a_runner_that_writes_nonsense_is_reported(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Its message is void, the run goes on past it, and verification names the position and the writer."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    position = await run.forge("a1", b'"},{"position":1')
    await run.turn(1)
    found = await _verified(views, run)
    assert found["verdict"] == "Broken"
    assert found["voids"] == [{"position": position, "reason": "NotAnEvent", "writer": "a1"}]
    assert (found["chain"]["ok"], found["signatures"]["ok"], found["events"]) == (True, True, 4)
    log = (await views.fetch(f"namespaces/{namespace}/executionlogs/refund-1")).body
    assert [record["outcome"] for record in log["records"]] == ["Event", "Event", "Void", "Event", "Event"]
    spoken = await views.kubectl("get", "executionverifications", "refund-1", f"--namespace={namespace}")
    assert "Broken" in spoken.output


async def test_an_unsigned_message_of_the_operator_is_reported(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Somebody has the operator's connection but not its key: the event would fit, and is void."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    head = (await _verified(views, run))["head"]
    position = await run.forge("op", _held(run, 3, head["digest"]))
    found = await _verified(views, run)
    assert (found["verdict"], found["signatures"]) == ("Broken", {"ok": False, "bad": [position]})
    assert found["findings"] == [
        f"message {position} on subject op is void, Unsigned: its writer did not sign it"
    ]
    assert found["head"] == head


async def test_a_broken_chain_forged_with_a_writers_own_key_is_reported(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Somebody has the operator's connection and its key, and writes another history: the hash gives it away."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    payload = _held(run, 3, "e" * 64)
    signer = writers.broker.installation.signer(Role.OPERATOR)
    position = await run.forge("op", payload, signer.sign(run.subject("op"), payload))
    found = await _verified(views, run)
    assert (found["verdict"], found["chain"]) == ("Broken", {"ok": False, "brokenAt": position})


async def test_the_gateways_key_does_not_speak_for_the_operator(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Another writer's credentials and key on the operator's subject: signed, and still not by its writer."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    head = (await _verified(views, run))["head"]
    payload = _held(run, 3, head["digest"])
    signer = writers.broker.installation.signer(Role.GATEWAY)
    position = await run.forge("op", payload, signer.sign(run.subject("op"), payload))
    found = await _verified(views, run)
    assert (found["verdict"], found["signatures"]["bad"]) == ("Broken", [position])


async def test_a_skipped_event_is_a_gap(views: stage.Views, writers: Writers, namespace: str) -> None:
    """A signed event that follows one that is not there says that something is gone."""
    run = await writers.bound(namespace, "refund-1")
    await run.start()
    payload = _held(run, 9, "e" * 64)
    signer = writers.broker.installation.signer(Role.OPERATOR)
    position = await run.forge("op", payload, signer.sign(run.subject("op"), payload))
    found = await _verified(views, run)
    assert found["gaps"] == [{"afterSeq": 2, "beforeSeq": 9, "position": position}]
