"""A revision is what a strategy or contract is, under the digest of its bytes."""

import pytest

from keelstep.domain import canonical, revision
from keelstep.kinds.strategy import AgentStrategySpec
from tests.unit.domain import pinned


def test_the_kill_switch_is_no_part_of_what_an_agent_is() -> None:
    """Engaging it changes no digest: the runs it stops keep their pins."""
    engaged = pinned.strategy(killSwitch={"engaged": True, "reason": "x"})
    assert revision.build("AgentStrategy", "s", engaged) == revision.build(
        "AgentStrategy", "s", pinned.strategy()
    )


def test_what_equals_its_default_is_no_part_of_a_revision() -> None:
    """The API server writes defaults into every spec, also those of fields that an older gateway does not know."""
    written = pinned.strategy().wire()
    assert written["runner"] == {"resources": {"limits": {}, "requests": {}}}
    filled = AgentStrategySpec.model_validate(written)
    built = revision.build("AgentStrategy", "s", filled)
    assert built == revision.build("AgentStrategy", "s", pinned.strategy())
    spec = canonical.loads(built.payload)["spec"]
    assert spec["limits"] == {"modelCalls": 8, "toolCalls": 12, "steps": 18, "costUSD": "0.05"}
    assert "runner" not in spec
    contract = pinned.contract(
        "Irreversible", 3, idempotency={"mode": "PerCall", "key": []}, timeoutSeconds=30
    )
    spec = canonical.loads(revision.build("ToolContract", "c", contract).payload)["spec"]
    assert spec["idempotency"] == {"mode": "PerCall"}
    assert not {"timeoutSeconds", "failurePolicy", "present", "policy"} & set(spec)


def test_an_unknown_field_is_refused_and_not_overlooked() -> None:
    """It may be a rule that this version would not keep."""
    content = canonical.loads(revision.build("AgentStrategy", "s", pinned.strategy()).payload)
    content["spec"]["guards"] = []
    with pytest.raises(revision.RevisionError, match="1 problem"):
        revision.load_strategy(canonical.dumps(content))


def test_any_other_change_is_another_revision() -> None:
    """Name, kind and content all count; the order of keys does not."""
    one = revision.build("AgentStrategy", "s", pinned.strategy())
    assert one.digest != revision.build("AgentStrategy", "t", pinned.strategy()).digest
    assert one.digest != revision.build("AgentStrategy", "s", pinned.strategy(version="1.0.1")).digest
    turned = AgentStrategySpec.model_validate(dict(reversed(pinned.strategy().wire().items())))
    assert one == revision.build("AgentStrategy", "s", turned)
    assert one.digest == canonical.digest(one.payload)


def test_a_revision_is_read_as_it_was_built() -> None:
    """Strategies and contracts alike."""
    name, spec = revision.load_strategy(revision.build("AgentStrategy", "s", pinned.strategy()).payload)
    assert (name, spec) == ("s", pinned.strategy())
    contract = pinned.CONTRACTS["credit.grant"]
    name, loaded = revision.load_contract(revision.build("ToolContract", "c", contract).payload)
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
