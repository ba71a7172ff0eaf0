"""What does verification find, and what does it call it?"""

from collections.abc import Sequence

from keelstep.domain.reasons import messages
from keelstep.events import types
from keelstep.events.frame import Stored
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep.views import verification
from keelstep.views.verification import Verification

HELD = types.Interruption(by="mallory", reason="because")


def _run() -> LogBuilder:
    return builders.log().started().attempt().model().plan("orders.get").result()


def _verify(run: LogBuilder, messages: Sequence[Stored] | None = None) -> Verification:
    given = run.messages if messages is None else messages
    return verification.verify(given, run.vouch, tenant=run.tenant, xid=run.xid)


def test_an_honest_log_is_verified() -> None:
    """Chain, signatures and sequence hold, whether the run is over or not; totals are the fold's own."""
    run = _run()
    assert _verify(run).verdict == "Verified"
    found = _verify(run.model().finished())
    assert (found.verdict, found.findings, found.voids) == ("Verified", (), ())
    assert (found.head_seq, found.head_digest) == (run.state.seq, run.state.head)
    assert (found.micro_usd, found.tokens, found.steps) == (100, 30, 3)


def test_a_log_that_is_empty_is_incomplete() -> None:
    """Nothing was proven."""
    found = _verify(builders.log())
    assert (found.verdict, found.findings) == ("Incomplete", ("the log is empty",))


def test_an_unsigned_message_on_the_operators_subject_is_found() -> None:
    """Whoever has the operator's connection but not its key leaves a trace and changes nothing."""
    run = _run()
    head = run.state.head
    run.forge("exec.suspended", HELD, writer="op", signature="")
    found = _verify(run.model())
    assert found.verdict == "Broken"
    assert found.bad_signatures == (run.messages[-3].position,)
    assert found.broken_at == 0, "the chain of real events is whole"
    assert run.state.suspended is None
    assert run.state.head != head, "the run went on past it"


def test_a_gateways_signature_does_not_pass_for_the_operators() -> None:
    """Each key speaks for its own writer."""
    run = _run()
    signed = run.messages[3].signature
    run.forge("exec.suspended", HELD, writer="op", signature=signed)
    assert _verify(run).bad_signatures == (run.position,)


def test_a_signed_message_off_the_chain_breaks_it() -> None:
    """Who holds a real key and writes past the fence is found by the hash."""
    run = _run()
    run.forge("exec.suspended", HELD, writer="op", prev="e" * 64)
    found = _verify(run)
    assert (found.verdict, found.broken_at, found.bad_signatures) == ("Broken", run.position, ())


def test_a_runners_message_that_is_void_is_reported() -> None:
    """It changed nothing, and a person must look all the same."""
    run = _run()
    run.garbage(b"\xff not an event", writer="a1")
    found = _verify(run)
    assert [(void.position, void.reason, void.writer) for void in found.voids] == [
        (run.position, "NotAnEvent", "a1")
    ]
    assert (found.verdict, found.bad_signatures, found.broken_at) == ("Broken", (), 0)


def test_a_missing_message_is_a_gap() -> None:
    """Take one message out, and every later one that was signed says so."""
    run = _run().model()
    without = [message for message in run.messages if message.position != 4]
    found = _verify(run, without)
    assert found.verdict == "Broken"
    first = found.gaps[0]
    assert (first.after_seq, first.before_seq) == (3, 6)
    assert "events 4 to 5 are missing" in found.findings[0]


def test_a_changed_byte_is_found() -> None:
    """The signature of the changed event fails, and the chain of those after it."""
    run = _run().model()
    changed = [
        Stored(
            position=message.position,
            writer=message.writer,
            stored_at=message.stored_at,
            signature=message.signature,
            payload=message.payload.replace(b'"budget_micro_usd":1000000', b'"budget_micro_usd":9000000'),
        )
        for message in run.messages
    ]
    assert changed != run.messages
    found = _verify(run, changed)
    assert (found.verdict, found.events) == ("Broken", 0)
    assert found.bad_signatures[0] == 1


def test_a_missing_beginning_is_a_gap() -> None:
    """A log that begins in the middle proves nothing."""
    run = _run()
    found = _verify(run, run.messages[1:])
    assert (found.verdict, found.events, found.gaps[0].after_seq) == ("Broken", 0, 0)


def test_what_is_not_known_is_not_judged() -> None:
    """An event of a newer program is no forgery; everything from there on is left open, and said so."""
    run = _run()
    run.forge("exec.suspended", HELD, writer="op", v=2)
    run.garbage(b"anything", writer="a1")
    found = _verify(run)
    assert (found.verdict, found.undecidable, found.undecided) == ("Incomplete", "exec.suspended v2", 2)
    assert found.voids == ()


def test_every_reason_has_a_meaning() -> None:
    """A person reads a sentence whatever the reason of a void is; no message of anybody's ends the reading."""
    run = _run()
    run.forge("exec.suspended", HELD, writer="op", tenant="another")
    run.forge("exec.suspended", HELD, writer="a1")
    run.forge("exec.suspended", HELD, writer="op", seq=99)
    run.forge("exec.suspended", HELD, writer="op", prev="a" * 64)
    run.forge("exec.suspended", HELD, writer="op", signature="")
    run.forge("exec.resumed", HELD, writer="op")
    run.forge("exec.suspended", HELD, writer="a7")
    run.forge("exec.suspended", HELD, writer="a1", v=2)
    run.garbage(b"nothing", writer="a1")
    found = _verify(run)
    assert {void.reason for void in found.voids} == {each.name for each in messages.SUBJECT.reasons}
    assert len(found.voids) == 9
    assert all(f"message {void.position} " in " ".join(found.findings) for void in found.voids)


def test_a_log_full_of_void_messages_is_judged_and_told_in_bounds() -> None:
    """A runner decides how many there are; they are counted, and the first are told."""
    run = _run()
    for _ in range(verification.MOST_FINDINGS + 50):
        run.forge("exec.suspended", HELD, writer="op", signature="")
    found = _verify(run)
    assert len(found.voids) == verification.MOST_FINDINGS + 50
    assert len(found.findings) == verification.MOST_FINDINGS + 1
    assert found.findings[-1] == "250 messages are void, 0 gaps; these are the first"
