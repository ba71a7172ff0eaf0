"""Nothing wrong can be reached; each seeded defect reaches something wrong, and the invariant that says so is the one meant.

The explorations are whole within their bounds (`scenes`, `runs`); `python -m tests.model --deep` goes further.
"""

import functools
import typing
from collections.abc import Sequence
from pathlib import Path

import pytest
from nats.aio.client import Client

from keelstep.events import envelope, registry, signing, types
from keelstep.log import spine
from tests.model import cast, explorer, invariants, journal, runs
from tests.model.defects import Defect
from tests.model.journal import Journal
from tests.model.name import Bounds
from tests.model.naming import NamingProtocol

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


@functools.cache
def explored(name: str) -> tuple[explorer.Explored, Sequence[Journal]]:
    """One system without any defect, explored once for all tests."""
    return runs.run(name)


def events() -> list[envelope.Event]:
    """Every event of every log that came to be."""
    journals = [found for name in runs.SYSTEMS for found in explored(name)[1]]
    return [node.event for found in journals for node in found.nodes if node.event is not None]


@pytest.mark.parametrize("name", runs.SYSTEMS)
def test_nothing_wrong_can_be_reached(name: str) -> None:
    """Every reachable state, within the bounds: no invariant is broken, and everything open can still be closed."""
    found, _ = explored(name)
    assert found.counterexample is None, "\n".join(
        ["", *found.counterexample.path, str(found.counterexample.broken)]
    )
    assert found.states > 3_000


@pytest.mark.parametrize("case", runs.CASES, ids=lambda case: f"{case.defect.value} ({case.system})")
def test_a_seeded_defect_is_caught_by_name(case: runs.Case) -> None:
    """A model that cannot fail proves nothing: each rule left out is seen, as what it is."""
    found, _ = runs.run(case.system, case.defect)
    assert found.counterexample is not None
    assert found.counterexample.broken.invariant == case.invariant


def test_every_defect_is_tried_and_every_invariant_can_fail() -> None:
    """No switch without a case, no invariant without a counterexample."""
    assert {case.defect for case in runs.CASES} == set(Defect)
    assert {case.invariant for case in runs.CASES} == set(invariants.INVARIANTS)


def test_the_explored_worlds_are_eventful() -> None:
    """The invariants would hold in an empty world: here everything happens that can happen within one plan."""
    seen = events()
    assert set(registry.KINDS) - {event.type for event in seen} == {
        "exec.suspended",
        "exec.resumed",
        "feedback.given",
        "policy.evaluated",
        "tool.reconciled",
    }
    results = [event.data for event in seen if isinstance(event.data, types.ToolResult)]
    assert {result.status for result in results} == {"ok", "failed", "unknown", "denied"}
    assert any(result.replayed_seq is not None for result in results)
    assert {event.data.attempt_number for event in seen if isinstance(event.data, types.ToolRetried)} >= {
        2,
        3,
    }
    verdicts = {event.data.verdict for event in seen if isinstance(event.data, types.GateDecided)}
    assert verdicts == {"approved", "rejected"}
    ends = {event.data.outcome for event in seen if isinstance(event.data, types.ExecFinished)}
    assert ends == {"succeeded", "failed", "cancelled"}


def test_some_messages_are_void() -> None:
    """What a forger stores is in the logs that were explored, and is no event."""
    reasons = {
        getattr(node.outcome, "reason", "")
        for name in ("forger", "late forger")
        for node in explored(name)[1][0].nodes
    }
    assert {"WrongWriter"} <= reasons


def test_the_model_writes_what_the_programs_write() -> None:
    """Its bytes are those of `keelstep.log.spine`, but for the time they say."""
    _, proposal = cast.beginning(((cast.KEYED, 1),))[0]
    nobody = typing.cast(Client, None)
    author, keyring = spine.Author(writer="op", shard=0), signing.Keyring(keys={}, writers={})
    reader = typing.cast(spine.Reader, None)
    log = spine.Log(
        nc=nobody, reader=reader, author=author, keyring=keyring, tenant=cast.TENANT, xid=cast.XID
    )
    theirs = envelope.decode(log._build(proposal))
    ours = envelope.decode(journal.encode(log.state, proposal))
    assert isinstance(theirs, envelope.Event)
    assert isinstance(ours, envelope.Event)
    different = [
        name
        for name in envelope.Envelope.__struct_fields__
        if getattr(theirs.envelope, name) != getattr(ours.envelope, name)
    ]
    assert different == ["ts"]
    assert theirs.data == ours.data


def test_one_operator_may_free_a_name_before_its_log_began() -> None:
    """What two operators need, one does not: with it alone, no start can be on its way when the name is freed."""
    bounds = Bounds(crashes=1, lost=1, vanishings=1)
    found = explorer.explore(NamingProtocol(Defect.RELEASE_UNSEALED, bounds), most_states=runs.MOST_STATES)
    assert found.counterexample is None


def test_the_page_names_every_system_invariant_and_defect() -> None:
    """`docs/protocol.md` leaves none out."""
    text = PAGE.read_text(encoding="utf-8")
    names = [*runs.SYSTEMS, *invariants.INVARIANTS, *(defect.value for defect in Defect)]
    assert [name for name in names if name not in text] == []
