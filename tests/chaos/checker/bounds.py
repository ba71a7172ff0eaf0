"""Was more spent, called faster or called at once than anybody allowed? Of one run, and of all runs of its namespace."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from tests.chaos.checker.case import Case, Finding, Rule
from tests.chaos.checker.evidence import Message

_DAILY_BUDGET = "keelstep.io/daily-budget-usd"


def _money_stays_under_the_cap(case: Case) -> Iterator[Finding]:
    started = next(iter(case.chain.of("exec.started")), None)
    if started is None:
        return
    cap = started.event["data"]["budget_micro_usd"]
    limit = (case.seen.strategy or {}).get("spec", {}).get("limits", {}).get("costUSD")
    if limit is not None:
        cap = min(cap, round(float(limit) * 1_000_000))
    for message, held in _held(case.chain.events):
        if held > cap:
            yield Finding("OverCap", f"{held} of {cap} micro-USD at seq {message.event['seq']}")


def _the_day_is_kept(case: Case) -> Iterator[Finding]:
    """What all runs of the namespace have spent and reserved; a case does not outlast a day, nor its budget's change."""
    said = (case.seen.namespace or {}).get("metadata", {}).get("annotations", {}).get(_DAILY_BUDGET)
    if said is None:
        return
    cap = round(float(said) * 1_000_000)
    events = [each for chain in (case.chain, *case.beside) for each in chain.events]
    for message, held in _held(sorted(events, key=lambda each: each.position)):
        if held > cap:
            yield Finding("OverDay", f"{held} of {cap} micro-USD at position {message.position}")


def _held(events: Sequence[Message]) -> Iterator[tuple[Message, int]]:
    """What is spent and reserved after each event, of one run or of several."""
    spent, models, claims = 0, {}, {}
    for message in events:
        event, run = message.event, message.xid
        data, cost = event["data"], event["cost"]["micro_usd"]
        match event["type"]:
            case "model.called":
                models[run, data["ordinal"]] = data["reserved_micro_usd"]
            case "model.replied":
                models.pop((run, data["ordinal"]), None)
                spent += cost
            case "tool.called":
                claims[run, event["seq"]] = data["estimate_micro_usd"]
            case "tool.result":
                claims.pop((run, data.get("claim_seq")), None)
                spent += cost
        yield message, spent + sum(models.values()) + sum(claims.values())


def _the_pace_is_kept(case: Case) -> Iterator[Finding]:
    """By any moment no more calls than the bucket has given since the first run began; late ones only make room."""
    began = min((each.stored_at for each in case.everywhere("exec.started")), default=0)
    for contract in case.seen.contracts:
        name, budgets = contract["metadata"]["name"], contract["spec"].get("budgets", {})
        claims = [each for each in case.everywhere("tool.called") if each.event["data"]["tool"] == name]
        for rate in (budgets.get("rate"), budgets.get("tenantRate")):
            for count, claim in enumerate(claims if rate else (), start=1):
                seconds = (claim.stored_at - began) / 1_000_000_000
                most = rate.get("burst", 1) + seconds * rate["calls"] / rate.get("perSeconds", 1)
                if count > most:
                    yield Finding("TooFast", f"{name}: {count} calls in {seconds:.1f} s, at most {most:.1f}")


def _no_more_at_once_than_allowed(case: Case) -> Iterator[Finding]:
    """As the shop saw it. What a lost gateway had in flight counts for longer than any call of the matrix takes."""
    if case.expected.may_send_late:
        return
    called = {each.event["data"]["tool"] for each in case.everywhere("tool.called")}
    for contract in case.seen.contracts:
        name, budgets = contract["metadata"]["name"], contract["spec"].get("budgets", {})
        most = min(
            (budgets[cap] for cap in ("concurrency", "tenantConcurrency") if cap in budgets), default=None
        )
        if most is None or called != {name}:
            continue
        path = urlsplit(contract["spec"]["transport"]["http"]["url"]).path
        if case.seen.at_once.get(path, 0) > most:
            yield Finding("TooManyAtOnce", f"{name}: {case.seen.at_once[path]} calls at once, at most {most}")


RULES: Sequence[Rule] = (
    _money_stays_under_the_cap,
    _the_day_is_kept,
    _the_pace_is_kept,
    _no_more_at_once_than_allowed,
)
