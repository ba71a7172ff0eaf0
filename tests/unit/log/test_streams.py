"""What differs from what we rely on is told in words."""

import pytest

from keelstep.log import streams

FOUND = {**streams.spine(0, 3), "compression": "none", "metadata": {"_nats.ver": "2"}}


def test_what_the_broker_adds_is_no_difference() -> None:
    """Settings we never asked for, and settings that are off and left out."""
    answered = {name: value for name, value in FOUND.items() if value is not False}
    assert streams.differences(streams.spine(0, 3), answered) == []


def test_capacity_is_free_to_differ() -> None:
    """Whoever runs the broker limits its size; the log does not mind."""
    assert streams.differences(streams.spine(0, 3), {**FOUND, "max_bytes": 10**9}) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"allow_rollup_hdrs": True}, "allow_rollup_hdrs is true, must be false"),
        ({"allow_msg_ttl": True}, "allow_msg_ttl is true, must be false"),
        ({"num_replicas": 1}, "num_replicas is 1, must be 3"),
        ({"discard": "old"}, "discard is old, must be new"),
        ({"max_age": 5}, "max_age is 5, must be 0"),
        ({"allow_direct": None}, "allow_direct is not set, must be true"),
        ({"subjects": ["spine.>"]}, "subjects is ['spine.>'], must be ['spine.0.>']"),
        ({"mirror": {"name": "x"}}, "mirror is set, must not be"),
    ],
)
def test_each_difference_is_named_with_both_values(changed: dict[str, object], told: str) -> None:
    """A person can act on it without reading our source."""
    assert streams.differences(streams.spine(0, 3), {**FOUND, **changed}) == [told]
