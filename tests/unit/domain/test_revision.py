"""A revision is what a strategy or contract is, under the digest of its bytes."""

import pytest

from keelstep.domain import canonical, revision
from tests.unit.domain import pinned


def wire() -> dict[str, object]:
    """A strategy's spec as the API server has it."""
    return pinned.strategy().wire()


def test_the_kill_switch_is_no_part_of_what_an_agent_is() -> None:
    """Engaging it changes no digest: the runs it stops keep their pins."""
    engaged = {**wire(), "killSwitch": {"engaged": True, "reason": "x"}}
    assert revision.build("AgentStrategy", "s", engaged) == revision.build("AgentStrategy", "s", wire())


def test_any_other_change_is_another_revision() -> None:
    """Name, kind and content all count; the order of keys does not."""
    one = revision.build("AgentStrategy", "s", wire())
    assert one.digest != revision.build("AgentStrategy", "t", wire()).digest
    assert one.digest != revision.build("AgentStrategy", "s", {**wire(), "version": "1.0.1"}).digest
    assert one == revision.build("AgentStrategy", "s", dict(reversed(wire().items())))
    assert one.digest == canonical.digest(one.payload)


def test_a_revision_is_read_as_it_was_built() -> None:
    """Strategies and contracts alike."""
    name, spec = revision.load_strategy(revision.build("AgentStrategy", "s", wire()).payload)
    assert (name, spec) == ("s", pinned.strategy())
    contract = pinned.CONTRACTS["credit.grant"]
    name, loaded = revision.load_contract(revision.build("ToolContract", "c", contract.wire()).payload)
    assert (name, loaded) == ("c", contract)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"3", b"\xff", b"{}", b'{"kind":"AgentStrategy"}', b'{"kind":"AgentStrategy","name":"s","spec":[]}',
        b'{"kind":"AgentStrategy","name":"s","spec":{}}', b'{"kind":"ToolContract","name":"s","spec":{}}',
    ],
)  # fmt: skip
def test_bytes_that_are_no_revision_of_a_strategy_are_refused(payload: bytes) -> None:
    """With a reason, whatever they are."""
    with pytest.raises(revision.RevisionError, match=r".+"):
        revision.load_strategy(payload)
