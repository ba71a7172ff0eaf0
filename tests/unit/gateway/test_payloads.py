"""How much of loaded payloads does a gateway hold? So many bytes, whoever they are of."""

from keelstep_gateway.payloads import Payloads


def test_the_payloads_that_were_used_last_are_held() -> None:
    """Up to a number of bytes: how many they are does not matter."""
    held = Payloads(most_bytes=100)
    for name in "abc":
        held.keep(("shop", "x", name), name.encode() * 30)
    assert held.get(("shop", "x", "a")) == b"a" * 30
    held.keep(("shop", "x", "d"), b"d" * 30)
    assert held.get(("shop", "x", "b")) is None
    assert held.get(("shop", "x", "a")) is not None
    held.keep(("shop", "x", "a"), b"a" * 40)
    assert held.get(("shop", "x", "d")) is not None


def test_a_payload_that_is_too_large_is_not_held() -> None:
    """And takes nobody's place for long."""
    held = Payloads(most_bytes=10)
    held.keep(("shop", "x", "a"), b"a" * 11)
    assert held.get(("shop", "x", "a")) is None
    held.keep(("shop", "x", "b"), b"b" * 10)
    assert held.get(("shop", "x", "b")) is not None


def test_a_run_does_not_find_anothers_payload() -> None:
    """Naming its digest is not enough."""
    held = Payloads()
    held.keep(("shop", "x", "a"), b"secret")
    assert held.get(("shop", "y", "a")) is None
    assert held.get(("other", "x", "a")) is None
