"""Which log does a name have? Two operators, one of them perhaps deposed, and a resource that comes and goes.

Mirrors `keelstep_operator.reconcile.gather` and `keelstep.log.names`: a resource finds the log that is recorded under its
name, or records one; a deletion that was seen ends the run and frees the name; one that nobody saw does neither. What an
operator holds in memory (its cache, what it met, what it saw deleted) is lost with it.

    created ─► bound ─► exec.started ─► … deleted, and seen ─► exec.cancelled ─► exec.finished ─► released
                 ▲            vanished, and nobody saw it ─► (nothing) ─┐
                 └──────────────────── created again, equal ────────────┘
"""

import functools
from collections.abc import Iterator

from keelstep import errors
from keelstep.domain.state import State
from keelstep.log import names
from keelstep.log.spine import Proposal
from keelstep_operator.decide import actions, execution, facts, start
from tests.model import cast, invariants, journal
from tests.model.defects import Defect
from tests.model.explorer import Broken, Step
from tests.model.name import (
    Bounds,
    Flying,
    Naming,
    Operator,
    Record,
    Resource,
    Seen,
    World,
    grown,
    node_of,
    put,
    tell,
    told,
)

_GOALS = ("help", "sing")


class NamingProtocol:
    """Everything that can happen to one name."""

    always_possible = invariants.FREED

    def __init__(self, defect: Defect | None, bounds: Bounds) -> None:
        self.defect, self.bounds = defect, bounds
        self.first = World(
            (Operator(),) * bounds.operators,
            crashes=bounds.crashes,
            vanishings=bounds.vanishings,
            lost=bounds.lost,
        )
        self.journals = {
            f"u{number}": journal.Journal(None, f"u{number}") for number in range(1, bounds.uids + 1)
        }
        self.outcome = functools.cache(self._outcome)

    def begin(self) -> World:
        """No resource, no record, no log."""
        return self.first

    def is_well(self, now: World) -> bool:
        """Nothing is there, and no name is still kept by a log that says that its resource was deleted."""
        last = now.records[-1] if now.records else None
        is_kept = last is not None and last.is_bound and self._is_given_up(now, last.xid)
        return now.resource is None and not is_kept

    def steps(self, now: World) -> Iterator[Step[World]]:
        """Everything that can happen next."""
        yield from self._people(now)
        seen: set[Operator] = set()
        for at, operator in enumerate(now.operators):
            if operator not in seen:  # operators that know the same are alike
                seen.add(operator)
                yield from self._operator(now, at, operator)

    def _people(self, now: World) -> Iterator[Step[World]]:
        if now.resource is None and now.uids < self.bounds.uids:
            for goal in _GOALS[: 2 if now.uids else 1]:
                made = Resource(f"u{now.uids + 1}", goal)
                after = tell(now, Seen("ADDED", made))
                yield Step(
                    f"a person applies {made.uid} to {goal}", after._replace(resource=made, uids=now.uids + 1)
                )
        if now.resource is not None:
            after = tell(now, Seen("DELETED", now.resource))
            yield Step(
                f"a person deletes {now.resource.uid}",
                after._replace(resource=None, deleted=now.deleted | {now.resource.uid}),
            )
            if now.vanishings:
                lost = now._replace(resource=None, vanishings=now.vanishings - 1)
                yield Step(f"etcd forgets {now.resource.uid}", lost)
        for xid, node in now.logs:
            state = self.journals[xid].nodes[node].state
            if state.started is not None and not state.is_over and state.cancelled is None:
                told_end = cast.event(cast.ENDED, state.attempt)
                payload = journal.encode(state, told_end)
                yield Step(
                    f"the run {xid} succeeds",
                    grown(now, xid, self.journals[xid].append(node, "op", payload, 0)),
                )

    def _operator(self, now: World, at: int, operator: Operator) -> Iterator[Step[World]]:
        who = f"operator {at + 1}"
        if not operator.is_up:
            fresh = Operator(cached=now.resource)
            yield Step(f"{who}: starts", put(now, at, fresh))
            return
        if now.crashes and operator != Operator():
            yield Step(
                f"{who}: crashes", put(now, at, Operator(is_up=False))._replace(crashes=now.crashes - 1)
            )
        if operator.events:
            yield Step(f"{who}: sees {operator.events[0].type}", put(now, at, told(operator)))
        elif operator.cached != now.resource:
            yield Step(f"{who}: resyncs", put(now, at, operator._replace(cached=now.resource)))
        match operator.doing:
            case Naming() as naming:
                yield from self._recorded(now, at, operator, naming, who)
            case Flying() as flying:
                yield self._arrived(now, at, operator, flying, who)
            case None:
                yield from self._reconcile(now, at, operator, who)

    # --- one look at the key

    def _reconcile(self, now: World, at: int, operator: Operator, who: str) -> Iterator[Step[World]]:
        found = None if operator.deletion else operator.cached or now.resource
        if found is not None and found.uid in operator.dead:
            found = None
        if found is not None:
            operator = operator._replace(cached=found)
        if found is None:
            yield from self._without_resource(now, at, operator, who)
            return
        if operator.met is not None and operator.met[0] == found.uid:
            yield from self._decide(now, at, operator, operator.met[1], found, who)
            return
        last = now.records[-1] if now.records else None
        if last is None or not last.is_bound:
            naming = Naming(Record(found.uid, found.goal, is_bound=True), len(now.records))
            yield Step(f"{who}: binds the name to {found.uid}", put(now, at, operator._replace(doing=naming)))
        elif self._says_deleted(now, last.xid):
            doomed = operator._replace(deletion=operator.deletion | {last.xid})
            yield Step(f"{who}: finds a deletion half done", put(now, at, doomed))
        elif self._adopts(last, found):
            met = operator._replace(met=(found.uid, last.xid))
            yield Step(f"{who}: finds log {last.xid} for {found.uid}", put(now, at, met))

    def _without_resource(self, now: World, at: int, operator: Operator, who: str) -> Iterator[Step[World]]:
        last = now.records[-1] if now.records else None
        is_another = last is not None and last.is_bound and last.xid not in operator.deletion
        is_late = is_another or (
            last is not None and now.resource is not None and now.resource.uid == last.xid
        )
        if operator.deletion and is_late and self.defect is not Defect.DELETION_OF_ANY:
            late = operator._replace(deletion=frozenset())
            yield Step(f"{who}: the deletion is late: another run has the name", put(now, at, late))
        elif last is not None and last.is_bound:
            met = operator._replace(met=("", last.xid))
            yield from self._decide(now, at, met, last.xid, None, who)
        elif operator.met is not None or operator.deletion:
            yield Step(
                f"{who}: forgets the name", put(now, at, operator._replace(met=None, deletion=frozenset()))
            )

    def _adopts(self, last: Record, found: Resource) -> bool:
        """Whether the log is this resource's: the word of `keelstep.log.names`."""
        wanted = last.goal if self.defect is Defect.ADOPT_BY_NAME else found.goal
        record = names.Record(
            xid=last.xid, shard=0, spec_digest=_digest(last.goal), state="bound", by="", at=""
        )
        try:
            names._adopt(cast.NAME, names.Entry(record=record, position=1), found.uid, _digest(wanted))
        except errors.NameInUseError:
            return False
        return True

    def _decide(
        self, now: World, at: int, operator: Operator, xid: str, found: Resource | None, who: str
    ) -> Iterator[Step[World]]:
        state = self._state(now, xid)
        is_deleted = found is None and (
            bool(operator.deletion)
            or self._says_deleted(now, xid)
            or self.defect is Defect.MISSING_IS_DELETED
        )
        node = node_of(now, xid)
        outcome = self.outcome(xid, node, found, is_deleted=is_deleted)
        proposal = _proposal(outcome)
        is_seal = proposal is not None and proposal.type == "exec.finished" and state.started is None
        is_unsealed = is_seal and self.defect is Defect.RELEASE_UNSEALED
        if proposal is not None and proposal.type != "exec.attempt" and not is_unsealed:
            flying = Flying(xid, proposal.type, journal.encode(state, proposal), node, found, is_deleted)
            yield Step(
                f"{who}: publishes {proposal.type} to {xid}", put(now, at, operator._replace(doing=flying))
            )
        elif is_unsealed or any(isinstance(action, actions.ReleaseName) for action in outcome.todo):
            last = now.records[-1]
            if last.is_bound and last.xid == xid:
                naming = Naming(last._replace(is_bound=False), len(now.records))
                yield Step(f"{who}: frees the name", put(now, at, operator._replace(doing=naming)))

    def _outcome(self, xid: str, node: int, found: Resource | None, *, is_deleted: bool) -> execution.Outcome:
        """What the operator's questions say."""
        state = self.journals[xid].nodes[node].state
        resource = cast.execution(goal=found.goal, uid=found.uid) if found is not None else None
        ready = None
        if found is not None and node == journal.EMPTY:
            ready = facts.Ready(data=cast.started(found.goal, _digest(found.goal)), trace_id="7" * 32)
        return execution.decide(
            facts.Facts(
                now=cast.at(0),
                name=cast.NAME,
                state=state,
                execution=resource,
                is_deleted=is_deleted,
                start=ready,
            )
        )

    # --- what becomes of what was published

    def _recorded(
        self, now: World, at: int, operator: Operator, naming: Naming, who: str
    ) -> Iterator[Step[World]]:
        what = f"{who}: {naming.record.xid} is {'bound' if naming.record.is_bound else 'released'}"
        idle = operator._replace(doing=None)
        if len(now.records) != naming.expected and self.defect is not Defect.BIND_UNFENCED:
            yield Step(f"{what}? refused", put(now, at, idle))
            return
        stored = now._replace(records=(*now.records, naming.record))
        broken = self._renamed(now, naming.record)
        if naming.record.is_bound:
            done = idle._replace(met=(naming.record.xid, naming.record.xid))
        else:
            done = idle._replace(met=None, deletion=frozenset())
        yield Step(what, put(stored, at, done), broken)
        if now.lost:
            yield Step(
                f"{what}, its acknowledgement is lost",
                put(stored._replace(lost=now.lost - 1), at, idle),
                broken,
            )

    def _renamed(self, now: World, record: Record) -> Broken | None:
        """What a record that is just stored shows to be wrong."""
        bound = {each.xid for each in now.records} | {record.xid}
        if len(bound) > 1 + len(now.deleted):
            return Broken(
                invariants.ONE_LOG, f"the name has {len(bound)} logs, and {len(now.deleted)} deletions"
            )
        if not record.is_bound:
            return self._ended(now, record.xid)
        return None

    def _ended(self, now: World, xid: str) -> Broken | None:
        """A run was ended, or its name freed, as deleted: was it?"""
        if now.resource is not None and now.resource.uid == xid:
            return Broken(
                invariants.OWN_DELETION, f"{xid} exists, and its run is ended or its name freed as deleted"
            )
        if not now.deleted:
            return Broken(invariants.OWN_DELETION, f"{xid} is taken for deleted, and nobody deleted anything")
        return None

    def _arrived(self, now: World, at: int, operator: Operator, flying: Flying, who: str) -> Step[World]:
        node, what = node_of(now, flying.xid), f"{who}: {flying.type} of {flying.xid}"
        if node != flying.expected:
            state = self._state(now, flying.xid)
            again = _proposal(self.outcome(flying.xid, node, flying.resource, is_deleted=flying.is_deleted))
            if again is None or again.type != flying.type:
                return Step(
                    f"{what} is refused; it wants nothing", put(now, at, operator._replace(doing=None))
                )
            flying = flying._replace(payload=journal.encode(state, again), expected=node)
            return Step(f"{what} is published again", put(now, at, operator._replace(doing=flying)))
        after = self.journals[flying.xid].append(node, "op", flying.payload, 0)
        stored = grown(put(now, at, operator._replace(doing=None)), flying.xid, after)
        return Step(f"{what} is stored", stored, self._shown(stored, flying))

    def _shown(self, now: World, flying: Flying) -> Broken | None:
        """What an event that was just stored shows to be wrong."""
        if self.journals[flying.xid].nodes[node_of(now, flying.xid)].event is None:
            return Broken(invariants.NEVER_VOID, f"{flying.type} is void")
        goal = next(record.goal for record in now.records if record.xid == flying.xid)
        if flying.type == "exec.cancelled" and (ended := self._ended(now, flying.xid)) is not None:
            return ended
        if flying.resource is not None and flying.resource.goal != goal:
            return Broken(
                invariants.AS_ASKED, f"{flying.xid} was asked to {goal}, not to {flying.resource.goal}"
            )
        running = [xid for xid, _ in now.logs if self._is_running(self._state(now, xid))]
        if len(running) > 1:
            return Broken(invariants.ONE_LOG, f"{' and '.join(running)} both run under one name")
        return None

    def _is_running(self, state: State) -> bool:
        return state.started is not None and not state.is_over

    def _says_deleted(self, now: World, xid: str) -> bool:
        """Whether an operator before us wrote the deletion down."""
        return self.defect is not Defect.FORGET_DELETION and self._is_given_up(now, xid)

    def _is_given_up(self, now: World, xid: str) -> bool:
        state = self._state(now, xid)
        is_sealed = state.started is None and state.is_over
        return is_sealed or (state.cancelled is not None and state.cancelled.reason == execution.DELETED)

    def _state(self, now: World, xid: str) -> State:
        return self.journals[xid].nodes[node_of(now, xid)].state


@functools.cache
def _digest(goal: str) -> str:
    return start.spec_digest(cast.execution(goal=goal).spec)


def _proposal(outcome: execution.Outcome) -> Proposal | None:
    wanted = outcome.append
    if wanted is None:
        return None
    return Proposal(
        type=wanted.type,
        data=wanted.data,
        id=wanted.id,
        actor="operator",
        attempt=0,
        step=0,
        trace_id=wanted.trace_id,
    )
