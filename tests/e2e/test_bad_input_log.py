"""What can somebody do who holds a runner's token, or more than they should? Nothing that counts, and it is told.

The runs are real, and so are their Pods; a run that thinks for long leaves its log alone meanwhile.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from nats.aio.client import Client

from hack.local.world import Tenant
from keelstep import errors
from keelstep.events import signing
from keelstep.log import connection, identities, jetstream, subjects
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials
from keelstep.testing import eventually
from tests.e2e import person, record
from tests.integration.log import attacks
from tests.integration.log.stage import STREAMS, Scene

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

Found = TypeVar("Found")
THINKS = "Think for long"


@dataclass(frozen=True, slots=True)
class Run:
    """A run with an attempt, and the identity of that attempt's runner."""

    tenant: Tenant
    name: str
    xid: str
    token: Credentials

    def subject(self, writer: str = "a1") -> str:
        """Where a writer of this run writes."""
        return subjects.spine(0, self.tenant.name, self.xid, writer)


def begun(tenant: Tenant, name: str) -> Run:
    """A run whose model thinks."""
    person.ask(tenant, name, THINKS)
    status = tenant.until_phase(name, "Running")
    tenant.until("its model to be asked", lambda: person.of_type(person.log(tenant, name), "model.called"))
    return Run(tenant, name, status["executionID"], token_of(tenant, name))


def token_of(tenant: Tenant, name: str) -> Credentials:
    """The identity in the Secret of a run's first attempt."""
    secret = tenant.get("secrets", f"{name}-a1-identity")
    return Credentials.parse(base64.b64decode(secret["data"]["identity.creds"]).decode())


def as_runner(run: Run, does: Callable[[Client, list[str]], Awaitable[Found]]) -> Found:
    """Do something over a connection with the token of the run's runner; what the broker refused is collected."""

    async def connected() -> Found:
        refusals: list[str] = []

        async def refused(error: Exception) -> None:
            refusals.append(str(error))

        url, inbox = run.tenant.platform.places.broker_url, subjects.inbox(run.xid, 1)
        client = await connection.connect(url, run.token, "thief", inbox_prefix=inbox, on_error=refused)
        try:
            return await does(client, refusals)
        finally:
            await client.close()

    return asyncio.run(connected())


def as_program(tenant: Tenant, role: Role, does: Callable[[Client], Awaitable[Found]]) -> Found:
    """The same with a program's own credentials, as if they were stolen."""

    async def connected() -> Found:
        installed = tenant.platform.installed
        file, inbox = installed.credentials_file(role), identities.inbox(role)
        client = await connection.connect(
            tenant.platform.places.broker_url, file, "thief", inbox_prefix=inbox
        )
        try:
            return await does(client)
        finally:
            await client.close()

    return asyncio.run(connected())


def forged(run: Run, **changes: Any) -> bytes:
    """The event that would come next, as somebody would write it who knows the log; any field changed."""
    last, payload = record.events(run.tenant.platform, run.tenant.name, run.xid)[-1]
    interruption = {"by": "mallory", "reason": "because", "scope": "execution"}
    new = {
        "id": "f" * 32,
        "type": "exec.killed",
        "seq": last["seq"] + 1,
        "prev": hashlib.sha256(payload).hexdigest(),
        "actor": "mallory",
        "data": interruption,
    }
    return json.dumps({**last, **new, **changes}).encode()


VOID: dict[str, tuple[Mapping[str, Any], str]] = {
    "of a type that only the operator writes": ({}, "WrongWriter"),
    "out of sequence": ({"seq": 99}, "OutOfSequence"),
    "that does not follow the one before": ({"prev": "a" * 64}, "BrokenChain"),
    "from an old attempt": ({"attempt": 0}, "OldAttempt"),
    "of an unknown type": ({"type": "exec.dreamt"}, "UnknownType"),
    "of a newer version": ({"v": 2}, "UnknownType"),
    "of another run": ({"execution": "0" * 32}, "ForeignSubject"),
    "that ends the run with an invented outcome": (
        {"type": "exec.finished", "data": {"outcome": "glorious", "reason": "x"}},
        "NotAnEvent",
    ),
}


def test_a_forged_event_changes_nothing_and_is_told(shared: Tenant) -> None:
    """Each message of a thief is void: reported by condition, Event and `keelstep verify`; the run ends as it would."""
    run = begun(shared, "robbed")
    said = [forged(run, **changes) for changes, _ in VOID.values()]

    async def publish(client: Client, _: Sequence[str]) -> list[int]:
        return [await jetstream.publish(client, run.subject(), payload) for payload in said]

    positions = as_runner(run, publish)

    async def unsigned(client: Client) -> int:
        return await jetstream.publish(client, run.subject("op"), forged_by_nobody)

    forged_by_nobody = forged_at(run, len(said))
    positions.append(as_program(shared, Role.OPERATOR, unsigned))

    async def misused(client: Client) -> int:
        signer = shared.platform.installed.signer(Role.GATEWAY)
        signature = signer.sign(run.subject("gw"), forged_by_nobody)
        return await jetstream.publish(
            client, run.subject("gw"), forged_by_nobody, {signing.HEADER: signature}
        )

    positions.append(as_program(shared, Role.GATEWAY, misused))
    reasons = [*(reason for _, reason in VOID.values()), "Unsigned", "WrongWriter"]

    status = shared.until_phase("robbed", "Succeeded", "Failed", "Killed")
    assert (status["phase"], status["reason"], status["attempt"]) == ("Failed", "CriteriaNotMet", 1)
    advice = f"{len(reasons)} void messages in the log changed nothing: see keelstep verify"
    assert advice in person.condition(status, "Succeeded")["message"]
    assert person.until_told(shared, "robbed", "VoidEvents")["type"] == "Warning"
    judged = person.keelstep(shared, "verify", "robbed", "-o", "json")
    assert judged.status == 1
    found = json.loads(judged.output)
    assert found["verdict"] == "Broken"
    assert [(each["position"], each["reason"]) for each in found["voids"]] == list(
        zip(positions, reasons, strict=True)
    )
    shown = person.keelstep(shared, "verify", "robbed")
    assert all(f"message {position} on subject " in shown.output for position in positions), shown
    assert person.keelstep(shared, "trace", "robbed").status == 0


def forged_at(run: Run, voids: int) -> bytes:
    """The next event, though this many void messages lie behind the last one."""
    found = record.events(run.tenant.platform, run.tenant.name, run.xid)
    last, payload = found[-1 - voids]
    data = {"by": "mallory", "reason": "because", "scope": "execution"}
    new = {"id": "e" * 32, "type": "exec.killed", "seq": last["seq"] + 1, "actor": "mallory", "data": data}
    return json.dumps({**last, **new, "prev": hashlib.sha256(payload).hexdigest()}).encode()


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("newer-type", {"type": "exec.dreamt"}, "exec.dreamt v1"),
        ("newer-version", {"v": 2}, "exec.killed v2"),
    ],
    ids=["an unknown type", "a newer version"],
)
def test_past_an_event_of_a_newer_program_nothing_is_decided(
    name: str, changes: Mapping[str, Any], what: str, shared: Tenant
) -> None:
    """Signed and in its place: Undecidable. Stalled says what to do, no attempt follows, and nothing is appended."""
    run = begun(shared, name)
    payload = forged(run, **changes)

    async def publish(client: Client) -> int:
        signature = shared.platform.installed.signer(Role.GATEWAY).sign(run.subject("gw"), payload)
        return await jetstream.publish(client, run.subject("gw"), payload, {signing.HEADER: signature})

    as_program(shared, Role.GATEWAY, publish)
    found = person.until_condition(shared, "executions", name, "Stalled", "Undecidable")
    message = person.condition(found, "Stalled")["message"]
    assert message == f"the log holds {what}, which this operator does not know: upgrade it"
    assert (found["status"]["reason"], found["status"]["attempt"]) == ("Undecidable", 1)
    assert person.until_told(shared, name, "Undecidable")["type"] == "Warning"

    def has_left() -> bool:
        return bool(shared.get("pods", f"{name}-a1")["status"]["phase"] == "Succeeded")

    shared.until("its runner to leave", has_left)
    judged = person.keelstep(shared, "verify", name)
    assert judged.status == 1
    assert f"{what} is newer than this program" in judged.output
    assert person.keelstep(shared, "trace", name).status == 0
    assert record.events(shared.platform, shared.name, run.xid)[-1][1] == payload
    assert shared.status(name)["attempt"] == 1


def test_a_runners_token_is_good_for_nothing_else(shared: Tenant) -> None:
    """Every attack of tests/integration/log/attacks.py with the token of a real attempt against the real broker."""
    person.ask(shared, "victim", "Refund order 1071")
    victim = shared.until_phase("victim", "WaitingForApproval")["executionID"]
    run = begun(shared, "attacker")
    scene = Scene(tenant=shared.name, own=run.xid, victim=victim)
    before = as_program(shared, Role.OPERATOR, holdings)
    untouched = record.events(shared.platform, shared.name, victim)

    async def attack(client: Client, refusals: list[str]) -> dict[str, bool]:
        tried: dict[str, str] = {}
        for what, subject in attacks.SAY.items():
            tried[f"to {what}"] = f'publish to "{subject(scene)}"'.lower()
            await client.publish(subject(scene), b"{}")
        for what, subject in attacks.HEAR.items():
            tried[f"to hear {what}"] = f'subscription to "{subject(scene)}"'.lower()
            await client.subscribe(subject(scene))
        await client.flush()
        # the client tells of a refusal a moment after it has read it
        await eventually.true(lambda: len(refusals) >= len(tried), "every attempt is refused")
        said = "\n".join(refusals).lower()
        refused = {what: f"permissions violation for {how}" in said for what, how in tried.items()}
        for subject in attacks.REPLY.values():
            await client.publish(run.subject(), b"{}", reply=subject(scene))
            for payload in (b"", b"{}"):
                await client.publish(scene.call(), payload, reply=subject(scene))
        for what, headers in attacks.HEADERS.items():
            try:
                await jetstream.publish(client, run.subject(), b"{}", headers)
            except errors.BrokerError as error:
                refused[f"to {what}"] = error.code > 0
            else:
                refused[f"to {what}"] = False
        return refused

    refused = as_runner(run, attack)
    allowed = [what for what, is_refused in refused.items() if not is_refused]
    assert not allowed, f"the broker allowed a runner {', '.join(allowed)}"
    after = as_program(shared, Role.OPERATOR, holdings)
    assert all(after.get(subject, 0) >= count for subject, count in before.items())
    assert record.events(shared.platform, shared.name, victim) == untouched
    # the gateway's answers to nonsense leave nothing; what is new is the run's own: its void messages and its values
    own = (run.subject(), subjects.obj(shared.name, run.xid, ""))
    assert not [subject for subject in after if subject not in before and not subject.startswith(own)]
    status = shared.until_phase("attacker", "Succeeded", "Failed", "Killed")
    assert (status["reason"], status["attempt"]) == ("CriteriaNotMet", 1)
    assert shared.status("victim")["phase"] == "WaitingForApproval"


async def holdings(client: Client) -> dict[str, int]:
    """How many messages lie on each subject of every stream; a stream that is gone shows as itself."""
    found: dict[str, int] = {}
    for stream in STREAMS:
        what = {"subjects_filter": ">"}
        info = await jetstream.call(client, f"STREAM.INFO.{stream}", what, type=dict)
        found[f"stream {stream} of {info['created']}"] = 1
        found |= info["state"].get("subjects") or {}
    return found


def until_refused(run: Run) -> None:
    """Wait until the broker refuses the identity itself."""

    async def nothing(client: Client, _: Sequence[str]) -> None:
        await client.flush()

    def is_refused() -> bool:
        try:
            as_runner(run, nothing)
        except errors.IdentityRefusedError:
            return True
        return False

    run.tenant.until("the identity to be revoked", is_refused)


def test_the_token_of_an_old_attempt_opens_no_door(shared: Tenant) -> None:
    """Once another attempt has begun, the broker refuses the identity of the one before."""
    person.ask(shared, "replaced", "Refund order 1071")
    gate = shared.until_gate("replaced")
    run = Run(shared, "replaced", shared.status("replaced")["executionID"], token_of(shared, "replaced"))
    shared.answer(gate, "Rejected")
    shared.until("the next attempt", lambda: shared.status("replaced").get("attempt") == 2)
    until_refused(run)


def test_the_token_of_an_ended_run_opens_no_door(shared: Tenant) -> None:
    """Cancelled: from then on nobody writes there but the gateway and the operator."""
    run = begun(shared, "cancelled")
    patch = ("--type=merge", "-p", '{"spec":{"cancel":true}}')
    shared.admin.run("patch", "execution", "cancelled", "-n", shared.name, *patch)
    shared.until_phase("cancelled", "Unwinding", "Cancelled")
    until_refused(run)


CHILDREN: dict[str, tuple[str, Any]] = {
    "Pod": ("a1", {"spec": {"containers": [{"name": "runner", "image": "registry.example/somebody-elses"}]}}),
    "Secret": ("a1-identity", {"stringData": {"identity.creds": "somebody else's"}}),
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_forged_in_advance_is_never_used(kind: str, shared: Tenant) -> None:
    """Stalled `ChildForged` names it and what to do; once it is deleted the run begins by itself."""
    run = f"forged-{kind.lower()}"
    suffix, content = CHILDREN[kind]
    metadata = {"name": f"{run}-{suffix}", "namespace": shared.name}
    shared.apply(shared.admin, [{"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}])
    person.ask(shared, run, "Answer in prose")
    found = person.until_condition(shared, "executions", run, "Stalled", "ChildForged")
    condition = person.condition(found, "Stalled")
    assert (condition["status"], found["status"]["reason"]) == ("True", "ChildForged")
    assert condition["message"] == f"{kind} {run}-{suffix} exists and is not ours; delete it"
    event = person.until_told(shared, run, "ChildForged")
    assert event["type"] == "Warning"
    assert condition["message"] in event["message"]
    assert not person.of_type(person.log(shared, run), "model.called")
    shared.admin.run("delete", kind.lower(), f"{run}-{suffix}", "-n", shared.name, "--wait=false")
    status = shared.until_phase(run, "Failed")
    assert (status["reason"], status["attempt"]) == ("ModelMalformed", 1)
