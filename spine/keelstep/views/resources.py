"""What does the views API serve? Its three kinds, as a client reads them and `kubectl explain` shows them.

Shapes only: what stands in them is computed elsewhere. A reader ignores fields it does not know.
"""

from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import alias_generators

GROUP = "views.keelstep.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MOST_LISTED = 1_000
"""Of what is wrong with a log, in one answer."""


class View(pydantic.BaseModel):
    """A part of an answer: camelCase on the wire."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """The JSON form, camelCase, without what is absent."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Metadata(View):
    """Which execution it is about."""

    name: str
    """The Execution's name."""
    namespace: str
    """Its namespace."""
    uid: str
    """The identity of its log."""
    creation_timestamp: str | None = None
    """When the log began (RFC 3339); absent before."""


class Paging(View):
    """Where in a long answer this page stands."""

    next: str
    """Pass it as `continue` to read on from here, now or later."""
    remaining: int = 0
    """How many items came after this page when it was read."""


class Summary(View):
    """An execution on one line, by its log alone."""

    phase: str
    """Where it stands."""
    strategy: str = ""
    """The AgentStrategy's name."""
    strategy_version: str = ""
    """The pinned version."""
    requester: str = ""
    """Who asked for the run."""
    trace_id: str = ""
    """The run's trace, hex."""
    started_at: str | None = None
    """When the log began (RFC 3339)."""
    finished_at: str | None = None
    """When the run ended (RFC 3339)."""
    reason: str = ""
    """Why it ended, one CamelCase word."""
    events: int = 0
    """Events so far."""
    steps: int = 0
    """Model turns and tool calls begun."""
    attempt: int = 0
    """The current attempt."""
    tokens: int = 0
    """Tokens in and out, as the gateway settled them."""
    cost_usd: Annotated[str, pydantic.Field(alias="costUSD")] = "0"
    """What it cost, US dollars, as the gateway settled it."""
    budget_usd: Annotated[str, pydantic.Field(alias="budgetUSD")] = "0"
    """What it may cost, US dollars."""
    voids: int = 0
    """Messages in its log that are no events."""
    dead_letters: int = 0
    """What ended badly and waits for a person."""


class DeadLetter(View):
    """One thing that ended badly and waits for a person."""

    kind: Literal["Unknown", "Exhausted", "Run", "Undecidable"]
    """A call whose outcome nobody knows, one that failed to the last, the run as a whole, an event that is not known."""
    seq: int
    """The event that says so."""
    tool: str = ""
    """The contract, of a call."""
    reason: str
    """Why, one CamelCase word."""
    message: str = ""
    """The same as a sentence."""
    at: str
    """When (RFC 3339)."""


class Share(View):
    """What one model or one tool used."""

    kind: Literal["model", "tool"]
    """Which of the two."""
    target: str
    """The model's or the contract's name."""
    calls: int
    """Calls that ended."""
    cost_usd: Annotated[str, pydantic.Field(alias="costUSD")]
    """What they cost, US dollars."""
    tokens_in: int = 0
    """Tokens read."""
    tokens_out: int = 0
    """Tokens written."""
    seconds: float
    """How long they took."""


class Times(View):
    """Where the time went; each moment counts once, so these add up to the total."""

    total: float
    """From the first event to the end, or to now. Unit: seconds."""
    model: float
    """A model was thinking. Unit: seconds."""
    tool: float
    """A tool was working. Unit: seconds."""
    people: float
    """A person was asked. Unit: seconds."""
    suspended: float
    """Somebody had suspended the run. Unit: seconds."""
    machinery: float
    """None of these: starting pods, storing events. Unit: seconds."""


class Economics(View):
    """Why it cost what it cost and took as long as it took."""

    shares: list[Share] = []
    """By model and tool, the dearest first."""
    seconds: Times
    """Where the time went."""


class Line(View):
    """One event."""

    seq: int
    """Its place in the log, from 1."""
    step: int
    """The step it belongs to."""
    event: str
    """Its type. Example: `tool.called`."""
    target: str = ""
    """The tool or model it concerns."""
    summary: str = ""
    """What happened, without any payload."""
    cost_usd: Annotated[str, pydantic.Field(alias="costUSD")] = "0"
    """What it settled, US dollars."""
    tokens: int = 0
    """Tokens it settled, in and out."""
    latency_seconds: float | None = None
    """How long it took; absent where nothing took time. Unit: seconds."""
    at: str
    """When the broker stored it (RFC 3339)."""
    after_seconds: float
    """When, counted from the first event. Unit: seconds."""
    writer: str
    """Who wrote it: `op`, `gw` or `a<attempt>`."""
    attempt: int = 0
    """The attempt it belongs to."""
    position: int
    """Its sequence in the stream."""
    digest: str
    """SHA-256 of its bytes, hex."""


class Record(View):
    """One stored message, event or not."""

    position: int
    """Its sequence in the stream."""
    seq: int | None = None
    """Its place in the log; absent where it is no event."""
    type: str = ""
    """The event's type; empty where it is no event."""
    writer: str
    """The last token of its subject: `op`, `gw` or `a<attempt>`."""
    at: str
    """When the broker stored it (RFC 3339)."""
    signature: str = ""
    """`<key id>:<base64 Ed25519>`; empty where it has none."""
    digest: str
    """SHA-256 of its bytes, hex."""
    outcome: Literal["Event", "Void", "Undecided"]
    """Whether it counts."""
    reason: str = ""
    """Why it is void."""
    envelope: Any = None
    """Its content as stored, payloads inline where they are small; absent where it is not JSON."""
    bytes: str | None = None
    """Its content, base64, where it is not JSON."""


class Gap(View):
    """Events that are missing."""

    after_seq: int
    """The last event that is there."""
    before_seq: int
    """The event that claims to follow the missing ones."""
    position: int
    """Where that one lies in the stream."""


class Void(View):
    """A message that is no event."""

    position: int
    """Its sequence in the stream."""
    reason: str
    """Why it does not count."""
    writer: str
    """The subject it lies on."""


class Chain(View):
    """Whether each event names the hash of the one before it."""

    ok: bool
    """True where it does."""
    broken_at: int | None = None
    """Position of the first signed message that does not fit."""


class Signatures(View):
    """Whether operator and gateway signed what lies on their subjects."""

    ok: bool
    """True where they did."""
    bad: list[int] = []
    """Positions of messages that they did not sign: the first 1,000."""


class Head(View):
    """The last event."""

    seq: int
    """Its place in the log."""
    digest: str
    """SHA-256 of its bytes, hex."""


class Totals(View):
    """The run's use, computed anew from the log."""

    cost_usd: Annotated[str, pydantic.Field(alias="costUSD")]
    """US dollars."""
    tokens: int
    """Tokens in and out."""
    steps: int
    """Model turns and tool calls begun."""


class ExecutionTrace(View):
    """What an execution did, event by event, and what it used."""

    plural: ClassVar[str] = "executiontraces"
    api_version: str = API_VERSION
    kind: str = "ExecutionTrace"
    metadata: Metadata
    summary: Summary
    """The execution on one line."""
    economics: Economics | None = None
    """Its money and time; absent in a list."""
    dead_letters: list[DeadLetter] = []
    """What ended badly and waits for a person, oldest first; absent in a list."""
    lines: list[Line] = []
    """Its events, oldest first; absent in a list."""
    paging: Paging | None = None
    """Absent in a list."""


class Output(View):
    """What a run answered at its end."""

    media_type: str
    """Of which kind its content is, mostly `application/json`."""
    size: int
    """Its length. Unit: bytes."""
    digest: str
    """SHA-256 over salt and content, hex, as the event that ends the run names it."""
    value: Any = None
    """Its content, where that is JSON."""
    text: str | None = None
    """Its content, where it is not."""
    missing: str = ""
    """Why its content cannot be shown: it was erased, or is not the one that the event names."""


class ExecutionLog(View):
    """An execution's stored messages as they are."""

    plural: ClassVar[str] = "executionlogs"
    api_version: str = API_VERSION
    kind: str = "ExecutionLog"
    metadata: Metadata
    summary: Summary
    """The execution on one line."""
    output: Output | None = None
    """What it answered, wherever that lies; on the first page alone, absent in a list and while there is none."""
    records: list[Record] = []
    """Its messages, oldest first; absent in a list."""
    paging: Paging | None = None
    """Absent in a list."""


class ExecutionVerification(View):
    """Whether an execution's log can be trusted, computed anew from its bytes."""

    plural: ClassVar[str] = "executionverifications"
    api_version: str = API_VERSION
    kind: str = "ExecutionVerification"
    metadata: Metadata
    summary: Summary
    """The execution on one line."""
    verdict: Literal["Verified", "Incomplete", "Broken"]
    """Broken where anything is there that honest writers never leave."""
    events: int
    """Events in the log."""
    chain: Chain
    """Whether each event names the hash of the one before it."""
    signatures: Signatures
    """Whether operator and gateway signed what lies on their subjects."""
    gaps: list[Gap] = []
    """Events that are missing: the first 1,000 gaps."""
    voids: list[Void] = []
    """Messages that are no events: the first 1,000; `summary.voids` counts all."""
    undecidable: str = ""
    """An event that this server does not know; nothing past it was judged."""
    head: Head
    """The last event."""
    totals: Totals
    """The run's use, computed anew."""
    findings: list[str] = []
    """What a person must know, one sentence each."""


Kind = type[ExecutionTrace] | type[ExecutionLog] | type[ExecutionVerification]

KINDS: tuple[Kind, ...] = (ExecutionTrace, ExecutionLog, ExecutionVerification)
"""Every kind of this API."""
SHORT_NAMES: dict[str, list[str]] = {
    "executiontraces": ["xtrace"],
    "executionlogs": ["xlog"],
    "executionverifications": ["xverify"],
}
"""Short names by plural."""
