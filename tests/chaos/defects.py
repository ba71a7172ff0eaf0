"""In which ways may the programs be made wrong, for the checker to notice? Each replaces functions, in tests only.

A defect is one rule of DESIGN left out or turned round, in the real program: `launch` seeds it into the process before
`main`. `proofs` has the run that provokes each, and the findings that must name it.
"""

import asyncio
import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NO_FENCE = "drop the fence"
CLAIM_LAST = "claim after performing"
WRONG_KEY = "key from the wrong fields"
MEMORY = "status from memory"
STALE_APPEND = "stale read without fence"
ADOPT_BY_NAME = "adopt by name only"
ACCEPT_VOID = "accept void events"
MINE_BY_ID = "recognise own append by id instead of bytes"
RESULT_YIELDS = "a gateway's result yields to a new attempt"
SEND_UNCHECKED = "no CONTROL check before the send"
TAKE_UNCHECKED = "take over without the claim's checks"
NO_SWEEP = "no sweep of open claims"
EXPIRY_IN_FOLD = "expiry inside the fold"


def seed(program: str, names: Sequence[str]) -> None:
    """Put these defects into this process; those of another program's code do nothing here."""
    for name in names:
        programs, put = DEFECTS[name]
        if program in programs:
            put()


def _module(name: str) -> Any:
    """A module whose insides are replaced: no type holds there."""
    return importlib.import_module(name)


def _no_fence() -> None:
    """Whatever comes, it is stored behind everything else."""
    spine = _module("keelstep.log.spine")

    request = spine._request

    async def unfenced(nc: Any, subject: str, payload: bytes, headers: dict[str, str]) -> Any:
        kept = {name: text for name, text in headers.items() if name not in _FENCE}
        return await request(nc, subject, payload, kept)

    _FENCE = (spine.EXPECTED, spine.EXPECTED_SUBJECT)
    spine._request = unfenced


def _claim_last() -> None:
    """Send first; the claim and the result of what was answered come then."""
    call, clock = _module("keelstep.domain.call"), _module("keelstep.events.clock")
    performer = _module("keelstep_gateway.perform").Performer
    tool_calls = _module("keelstep_gateway.toolcalls").ToolCalls
    work_type = _module("keelstep_gateway.records").Work
    apply, tries, record = tool_calls._apply, performer._try, performer._record
    answered: dict[str, Any] = {}

    async def late(self: Any, hold: Any, gathered: Any, place: Any) -> None:
        verdict = call.decide_tool(gathered.ask(hold.log.state))
        if isinstance(verdict, call.Perform) and verdict.needs_claim:
            work = work_type(
                place=place,
                tool=verdict.planned.tool,
                spec=verdict.spec,
                args=verdict.planned.args,
                key=verdict.key,
                tier=verdict.tier,
                contract_digest="",
                estimate_micro_usd=0,
                claim_seq=None,
                boot_deadline=clock.boot() + 10 * clock.SECOND,
            )
            await self.performer.perform(hold, work, gathered.args)
        await apply(self, hold, gathered, place)

    async def remembered(self: Any, hold: Any, work: Any, *rest: Any) -> Any:
        known = answered.pop(work.key, None)
        return known if known is not None else await tries(self, hold, work, *rest)

    async def kept(self: Any, hold: Any, work: Any, tried: Any, *rest: Any) -> None:
        if work.claim_seq is None and work.spec.consequence_tier > 0:
            answered[work.key] = tried
        else:
            await record(self, hold, work, tried, *rest)

    tool_calls._apply, performer._try, performer._record = late, remembered, kept


def _wrong_key() -> None:
    """The place in the plan is in the key: no two calls are equal."""
    contract = _module("keelstep.domain.contract")

    honest = contract.idempotency_key

    def placed(xid: str, name: str, spec: Any, args: Mapping[str, Any], place: Any) -> str:
        key = honest(xid, name, spec, args, place)
        return hashlib.sha256(f"{key} {place}".encode()).hexdigest()

    contract.idempotency_key = placed


def _status_from_memory() -> None:
    """Numbers are remembered from the first look instead of folded again."""
    phase = _module("keelstep_operator.decide.phase")

    honest = phase.status
    memory: dict[str, dict[str, Any]] = {}

    def remembered(facts: Any, stalled: Any) -> Any:
        shown, findings = honest(facts, stalled)
        numbers = {name: shown[name] for name in ("observedSeq", "observedHash") if name in shown}
        if shown.get("observedSeq"):
            shown.update(memory.setdefault(facts.state.xid, numbers))
        return shown, findings

    phase.status = remembered


def _stale_append() -> None:
    """Refused, publish again what was decided before, without deciding again."""
    spine = _module("keelstep.log.spine")

    append = spine.Log.append

    async def stubborn(self: Any, propose: Any, *rest: Any, **more: Any) -> Any:
        first: list[Any] = []

        def decided(state: Any) -> Any:
            if not first:
                first.append(propose(state))
            return first[0]

        return await append(self, decided, *rest, **more)

    spine.Log.append = stubborn


def _adopt_by_name() -> None:
    """A name has a log; what it runs is not compared with what is asked."""
    names = _module("keelstep.log.names")

    honest = names._adopt

    def trusting(name: str, entry: Any, uid: str, spec_digest: str) -> Any:
        return honest(name, entry, uid, entry.record.spec_digest)

    names._adopt = trusting


def _accept_void() -> None:
    """Whatever continues the chain is an event, whoever wrote it and whether it is allowed."""
    validity = _module("keelstep.domain.validity")

    validity.refused = lambda state, stored, event, vouch: ""


def _mine_by_id() -> None:
    """An event of my id is mine."""
    structs = _module("msgspec.structs")
    envelope = _module("keelstep.events.envelope")
    spine = _module("keelstep.log.spine")

    catch_up = spine.Log._catch_up
    look_for = spine.Log._look_for

    async def by_id(self: Any, payload: bytes, *rest: Any) -> Any:
        wanted = json.loads(payload)["id"]

        async def relabelled() -> Any:
            return [
                (structs.replace(stored, payload=payload), outcome)
                if isinstance(outcome, envelope.Event) and outcome.envelope.id == wanted
                else (stored, outcome)
                for stored, outcome in await catch_up(self)
            ]

        return await look_for(_Seeing(self, relabelled), payload, *rest)

    spine.Log._look_for = by_id


class _Seeing:
    """A log that reads through other eyes."""

    def __init__(self, log: Any, catch_up: Callable[[], Any]) -> None:
        self._log = log
        self._catch_up = catch_up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def _result_yields() -> None:
    """A result is for the attempt that asked; a newer one will ask again."""
    perform = _module("keelstep_gateway.perform")

    honest_perform, record = perform.Performer.perform, perform.Performer._record
    asked: dict[Any, int] = {}

    async def noting(self: Any, hold: Any, work: Any, *rest: Any) -> None:
        asked[hold.xid, work.place] = hold.log.state.attempt
        await honest_perform(self, hold, work, *rest)

    async def yielding(self: Any, hold: Any, work: Any, *rest: Any) -> None:
        state = await hold.log.refresh()
        if state.attempt == asked[hold.xid, work.place]:
            await record(self, hold, work, *rest)

    perform.Performer.perform = noting
    perform.Performer._record = yielding


def _send_unchecked() -> None:
    """A stored claim is enough: what was stopped since is not asked."""
    call = _module("keelstep.domain.call")
    perform = _module("keelstep_gateway.perform")

    async def trusting(self: Any, hold: Any, work: Any, *_: Any) -> Any:
        if work.claim_seq is None:
            return ""
        return call.may_send(hold.log.state, work.claim_seq, work.place, self.scribe.owner, None)

    perform.Performer._why_not = trusting


def _take_unchecked() -> None:
    """Whose owner is silent is performed again, whatever it promises."""
    takeover = _module("keelstep.domain.takeover")

    takeover.decide = lambda state, claim, spec, stop, now: takeover.Retry()


def _no_sweep() -> None:
    """Only a runner that asks again makes a gateway look."""
    sweep = _module("keelstep_gateway.sweep")

    async def never(self: Any) -> None:
        await asyncio.Event().wait()

    sweep.Sweep.run = never


def _expiry_in_fold() -> None:
    """An approval that has lapsed is no event any more."""
    validity = _module("keelstep.domain.validity")
    clock = _module("keelstep.events.clock")

    honest = validity._RULES["gate.decided"]

    def timely(state: Any, writer: Any, data: Any) -> bool:
        is_late = bool(data.valid_until) and clock.now() > clock.parse(data.valid_until)
        return not is_late and honest(state, writer, data)

    validity._RULES["gate.decided"] = timely


_EVERYBODY = ("operator", "gateway", "runner", "projector")
DEFECTS: Mapping[str, tuple[Sequence[str], Callable[[], None]]] = {
    NO_FENCE: (("gateway",), _no_fence),
    CLAIM_LAST: (("gateway",), _claim_last),
    WRONG_KEY: (("gateway",), _wrong_key),
    MEMORY: (("operator",), _status_from_memory),
    STALE_APPEND: (("gateway",), _stale_append),
    ADOPT_BY_NAME: (("operator",), _adopt_by_name),
    ACCEPT_VOID: (_EVERYBODY, _accept_void),
    MINE_BY_ID: (("gateway",), _mine_by_id),
    RESULT_YIELDS: (("gateway",), _result_yields),
    SEND_UNCHECKED: (("gateway",), _send_unchecked),
    TAKE_UNCHECKED: (("gateway",), _take_unchecked),
    NO_SWEEP: (("gateway",), _no_sweep),
    EXPIRY_IN_FOLD: (_EVERYBODY, _expiry_in_fold),
}
"""Whose code each is in, and how it is put there."""
