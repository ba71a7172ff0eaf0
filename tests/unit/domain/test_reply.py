"""What the model said is calls, a final output, or something we can name and complain about."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import canonical, revision
from keelstep.domain import reply as replies
from tests.unit.domain import pinned, turns

SCHEMA = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}


def read(message: object, **strategy: object) -> replies.Calls | replies.Final | replies.Malformed:
    """What a message means under the small agent's contracts."""
    payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
    return replies.read(payload, 3, pinned.pinned(**strategy))


def test_valid_calls_become_exact_calls_in_the_order_wished() -> None:
    """Contract names, canonical arguments, the model's own ids and its words beside them."""
    meaning = read(
        turns.calls("orders.get", "refund.issue", content="let me", arguments='{"note": "x", "n" : 1}')
    )
    assert isinstance(meaning, replies.Calls)
    assert [(call.call_id, call.tool, call.args) for call in meaning.calls] == [
        ("call-0", "orders.get", b'{"n":1,"note":"x"}'), ("call-1", "refund.issue", b'{"n":1,"note":"x"}'),
    ]  # fmt: skip
    assert meaning.summary == "let me"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "ReplyNotAMessage"),
        (b"prose", "ReplyNotAMessage"),
        (b"\xff\xfe", "ReplyNotAMessage"),
        (b"[" * 90_000, "ReplyNotAMessage"),
        ([], "ReplyNotAMessage"),
        ({"content": ["a"]}, "ReplyNotAMessage"),
        ({"content": None}, "ReplyEmpty"),
        ({"content": "  \n"}, "ReplyEmpty"),
        ({"tool_calls": []}, "ReplyEmpty"),
        (turns.NONSENSE, "UnknownTool"),
        (turns.calls("orders.get", arguments="{"), "ArgumentsNotJson"),
        (turns.calls("orders.get", arguments="[]"), "ArgumentsNotJson"),
        (turns.calls("orders.get", arguments="1e999"), "ArgumentsNotJson"),
        (turns.calls("orders.get", arguments='{"n":' * 500 + "1" + "}" * 500), "ArgumentsNotJson"),
        (turns.calls("orders.get", arguments=""), "ArgumentsInvalid"),
        (turns.calls("orders.get", arguments='{"n":"1"}'), "ArgumentsInvalid"),
        (turns.calls("orders.get", arguments='{"n":1,"x":1}'), "ArgumentsInvalid"),
        (turns.calls(*["orders.get"] * 65), "TooManyCalls"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_used_is_named(message: object, reason: str) -> None:
    """Each with a complaint in words for the model, and the reason that ends a run which stays so."""
    meaning = read(message)
    assert isinstance(meaning, replies.Malformed)
    assert meaning.reason == reason
    assert all(meaning.complaints.values())


def test_one_bad_call_spoils_the_reply_and_each_call_gets_its_answer() -> None:
    """Providers expect an answer to every call of a message."""
    message = turns.calls("orders.get", "burn", "orders.get")
    meaning = read(message)
    assert isinstance(meaning, replies.Malformed)
    assert list(meaning.complaints) == ["call-0", "call-1", "call-2"]
    assert "no tool 'burn'" in meaning.complaints["call-1"]
    assert "was fine" in meaning.complaints["call-0"]


def test_a_tool_of_the_strategy_that_was_not_pinned_does_not_exist() -> None:
    """Only pinned contracts are tools."""
    meaning = replies.read(
        msgspec.json.encode(turns.calls("orders.get")), 1,
        revision.Pinned(strategy_name="s", strategy_digest="d", strategy=pinned.strategy(), contracts={}),
    )  # fmt: skip
    assert isinstance(meaning, replies.Malformed)
    assert "there are: none" in meaning.complaints["call-0"]


@pytest.mark.parametrize(
    "ids", [["", ""], ["c", "c"], ["c", "x" * 65], ["c", 'q"uote'], ["c", "a b"], ["c", "\u00e9"]]
)
def test_ids_that_are_missing_repeated_or_no_plain_words_are_replaced_by_ours(ids: list[str]) -> None:
    """All of them, so that none can collide; and the same ones wherever the reply is read."""
    wished = [replies.ToolCall(id=each) for each in ids]
    assert replies.call_ids(wished, 3) == ["call-3-0", "call-3-1"]


def test_the_models_own_ids_are_kept_where_they_can_be() -> None:
    """Providers match answers to calls by them."""
    wished = [replies.ToolCall(id="toolu_01:A.b-c"), replies.ToolCall(id="call-3-0")]
    assert replies.call_ids(wished, 3) == ["toolu_01:A.b-c", "call-3-0"]


def test_without_an_output_schema_any_text_is_a_final_output() -> None:
    """As `{"text": …}`."""
    assert read(turns.FINAL) == replies.Final(output=canonical.dumps({"text": "All done."}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("All done.", "OutputNotJson"),
        ("{}", "OutputInvalid"),
        ('{"answer": 1}', "OutputInvalid"),
        ("[" * 999, "OutputNotJson"),
    ],
)
def test_a_final_output_must_match_its_schema(content: str, reason: str) -> None:
    """One JSON document and nothing else."""
    meaning = read({"content": content}, outputSchema=SCHEMA)
    assert isinstance(meaning, replies.Malformed)
    assert meaning.reason == reason


def test_a_final_output_that_matches_is_kept_in_canonical_form() -> None:
    """Spaces and the order of keys are the model's, not ours."""
    meaning = read({"content": ' {"b": 1, "answer": "yes"} '}, outputSchema=SCHEMA)
    assert meaning == replies.Final(output=b'{"answer":"yes","b":1}')


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_mean_one_of_three_things(payload: bytes) -> None:
    """Reading a reply is total."""
    assert isinstance(read(payload), replies.Calls | replies.Final | replies.Malformed)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=300))
def test_whatever_a_model_calls_its_tools_a_complaint_stays_short(
    name: str, identity: str, arguments: str
) -> None:
    """A complaint becomes part of events and prompts; five megabytes of name must not."""
    call = {"id": identity * 50, "function": {"name": name * 50 + "!", "arguments": arguments}}
    meaning = read({"tool_calls": [call]})
    assert isinstance(meaning, replies.Malformed)
    assert all(len(identity) <= 64 and len(words) < 600 for identity, words in meaning.complaints.items())
