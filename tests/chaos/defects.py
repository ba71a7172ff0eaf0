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
DAY_IN_MEMORY = "the day's budget from memory"
OWN_PLACES = "only one's own calls counted as in flight"


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
    spine, publish = _module("keelstep.log.spine"), _module("keelstep.log.publish")
    send = publish.send

    async def unfenced(nc: Any, subject: str, payload: bytes, headers: dict[str, str]) -> Any:
        kept = {name: text for name, text in headers.items() if name not in _FENCE}
        return await send(nc, subject, payload, kept)

    _FENCE = (spine.EXPECTED, spine.EXPECTED_SUBJECT)
    publish.send = unfenced


def _claim_last() -> None:
    """Send first; the claim and the result of what was answered come then."""
    call, cel, clock = (_module(f"keelstep.{name}") for name in ("domain.call", "domain.cel", "events.clock"))
    performer = _module("keelstep_gateway.perform").Performer
    wishes = _module("keelstep_gateway.wishes").Wishes
    work_type = _module("keelstep_gateway.records").Work
    apply, tries, record = wishes._apply, performer._try, performer._record
    answered: dict[str, Any] = {}

    async def late(self: Any, hold: Any, wish: Any, held: Any) -> None:
        verdict = wish.decide(hold.log.state, cel.here)
        if isinstance(verdict, call.Perform) and verdict.needs_claim and wish.undoes is None:
            work = work_type(
                place=wish.place,
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
            await self.performer.perform(hold, work, wish.args)
        await apply(self, hold, wish, held)

    async def remembered(self: Any, hold: Any, work: Any, *rest: Any) -> Any:
        known = answered.pop(work.key, None)
        return known if known is not None else await tries(self, hold, work, *rest)

    async def kept(self: Any, hold: Any, work: Any, tried: Any, *rest: Any) -> None:
        if work.claim_seq is None and work.spec.consequence_tier > 0:
            answered[work.key] = tried
        else:
            await record(self, hold, work, tried, *rest)

    wishes._apply, performer._try, performer._record = late, remembered, kept


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
    spine = _module("keelstep.log.spine")

    def by_id(self: Any, stored: Any, sought: bytes) -> bool:
        return bool(json.loads(stored.payload)["id"] == json.loads(sought)["id"])

    spine.Log._is_mine = by_id


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


def _day_in_memory() -> None:
    """What is taken of a day's budget is remembered, and not said."""
    daily = _module("keelstep.domain.daily")
    purse = _module("keelstep_gateway.limits.purse")
    memory: dict[tuple[str, str], Any] = {}

    async def remembered(self: Any, tenant: str, day: str, cap: int, missing: int) -> int:
        known = memory.get((tenant, day), daily.NONE)
        taken = int(daily.slice_micro_usd(known, cap, missing))
        memory[tenant, day] = daily.taken(known, taken)
        return taken

    purse.Purses._take = remembered


def _own_places() -> None:
    """What other gateways have in flight takes no place."""
    limits = _module("keelstep.domain.limits")

    limits._others = lambda usage, owner, now: {}


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
    DAY_IN_MEMORY: (("gateway",), _day_in_memory),
    OWN_PLACES: (("gateway",), _own_places),
}
"""Whose code each is in, and how it is put there."""
