"""Does a result answer equal calls of other runs, as far as its contract says and never beyond the tenant?"""

from typing import Any

import msgspec
import pytest

from examples.refund.testing import Shop
from keelstep.domain import contract
from keelstep.events import clock, signing, types
from keelstep.log import jetstream, streams, subjects
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep_gateway import cache
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet, Program

READ = ("orders.get", {"order_id": "1042"})


@pytest.fixture(autouse=True)
async def stream(stage: Stage) -> None:
    """What the operator makes."""
    await streams.ensure_cache(stage.operator)


@pytest.fixture
def order(contracts: dict[str, Spec]) -> Spec:
    """The contract of the read, whose results may answer other runs for a minute."""
    contracts["orders.get"]["cache"] = {"ttlSeconds": 60}
    return contracts["orders.get"]


async def looked_up(begin: Begin, **options: Any) -> tuple[Run, types.ToolResult]:
    """A run that looked the order up."""
    run = await begin(**options)
    return run, await run.result(await run.plan(READ))


async def kept(stage: Stage, run: Run) -> jetstream.Message:
    """The entry that a run's result made, once it is there."""
    state = await run.state()
    key = contract.cache_key(state.pins["orders.get"].digest, READ[1])

    async def entry() -> jetstream.Message | None:
        return await jetstream.last(stage.operator, subjects.CACHE_STREAM, subjects.cached(run.tenant, key))

    return await eventually.awaited(entry, "the result is cached")


@pytest.mark.usefixtures("order")
async def test_a_result_answers_an_equal_call_of_another_run(
    gateway: Program, begin: Begin, stage: Stage
) -> None:
    """No claim, no call, no cost; its origin is recorded, the output is the asking run's own, and it counts as a call."""
    first, made = await looked_up(begin)
    assert made.cached is None
    await kept(stage, first)
    second, answered = await looked_up(begin)
    origin = (await first.state()).results[(5, 0)]
    assert answered.cached is not None
    assert (answered.cached.execution, answered.cached.seq) == (first.xid, origin.seq)
    assert (answered.status, answered.attempts, answered.as_of) == ("ok", 0, made.as_of)
    assert await second.output(answered.output) == await first.output(made.output)
    state = await second.state()
    assert (state.calls["orders.get"], state.successes["orders.get"], state.voids) == (1, 1, 0)


@pytest.mark.usefixtures("order")
async def test_other_arguments_are_another_call(gateway: Program, begin: Begin, stage: Stage) -> None:
    """The key is the arguments."""
    first, _ = await looked_up(begin)
    await kept(stage, first)
    run = await begin()
    assert (await run.result(await run.plan(("orders.get", {"order_id": "1071"})))).cached is None


async def test_another_revision_of_the_contract_is_another_call(
    gateway: Program, begin: Begin, stage: Stage, order: Spec
) -> None:
    """What an earlier contract made of the answer is not what this one would."""
    first, _ = await looked_up(begin)
    await kept(stage, first)
    order["description"] = "Look up one order, better."
    _, made = await looked_up(begin)
    assert made.cached is None


@pytest.mark.usefixtures("order")
async def test_another_tenants_result_answers_nothing(
    gateway: Program,
    begin: Begin,
    stage: Stage,
    fleet: Fleet,
    strategy: Spec,
    contracts: dict[str, Spec],
    shop: Shop,
) -> None:
    """Equal contract, equal arguments, another tenant: even an entry of the first, laid under the second's address."""
    first, _ = await looked_up(begin)
    entry = await kept(stage, first)
    tenant = f"{first.tenant}-b"
    fleet.grant(tenant, "shop-token", shop.token)
    other = await Run.start(stage, tenant, strategy, contracts)
    key = entry.subject.rsplit(".", 1)[1]
    subject = subjects.cached(tenant, key)
    await jetstream.publish(
        stage.other, subject, entry.payload, {signing.HEADER: entry.headers[signing.HEADER]}
    )
    made = await other.result(await other.plan(READ))
    assert (made.status, made.cached) == ("ok", None)


@pytest.mark.usefixtures("order")
async def test_an_entry_that_no_gateway_signed_answers_nothing(
    gateway: Program, begin: Begin, stage: Stage
) -> None:
    """Whoever can write there cannot make a gateway believe it."""
    first, _ = await looked_up(begin)
    entry = await kept(stage, first)
    await jetstream.publish(stage.other, entry.subject, entry.payload)
    _, made = await looked_up(begin)
    assert made.cached is None


async def test_an_old_result_is_not_used(gateway: Program, begin: Begin, stage: Stage, order: Spec) -> None:
    """Older than the cache keeps it, or true since too long ago: the tool is asked, and answers the next."""
    first, _ = await looked_up(begin)
    entry = await kept(stage, first)
    known = msgspec.json.decode(entry.payload, type=cache.Entry)
    old = msgspec.structs.replace(known.origin, answered=clock.text(clock.now() - 61 * clock.SECOND))
    payload = msgspec.json.encode(msgspec.structs.replace(known, origin=old))
    signer = stage.broker.installation.signer(Role.GATEWAY)
    headers = {signing.HEADER: signer.sign(entry.subject, payload)}
    await jetstream.publish(stage.other, entry.subject, payload, headers)
    second, made = await looked_up(begin)
    assert made.cached is None

    async def is_newer() -> bool:
        return (await kept(stage, second)).payload != payload

    await eventually.awaited(is_newer, "the newer result is cached")
    _, answered = await looked_up(begin)
    assert answered.cached is not None
    assert answered.cached.execution == second.xid


async def test_a_costly_read_is_answered_without_a_claim(
    gateway: Program, begin: Begin, stage: Stage, order: Spec
) -> None:
    """Nothing is reserved and nothing spent."""
    order["budgets"] = {"estimatedCostUSD": "0.01"}
    first, _ = await looked_up(begin)
    await kept(stage, first)
    second, answered = await looked_up(begin)
    assert answered.cached is not None
    assert "tool.called" not in await second.types()
    state = await second.state()
    assert (state.spent_micro_usd, state.reserved_micro_usd, state.voids) == (0, 0, 0)


async def test_without_the_cache_calls_are_made(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """A contract that does not ask for it gets none."""
    await looked_up(begin)
    _, made = await looked_up(begin)
    assert made.cached is None


@pytest.mark.usefixtures("order")
async def test_a_rule_that_denies_comes_before_the_cache(
    gateway: Program, begin: Begin, stage: Stage, order: Spec
) -> None:
    """What may not be asked may not be answered either."""
    first, _ = await looked_up(begin)
    await kept(stage, first)
    order["policy"] = [{"name": "never", "when": "true", "effect": "Deny"}]
    _, denied = await looked_up(begin)
    assert (denied.status, denied.cached) == ("denied", None)


async def test_a_result_that_grew_old_is_asked_for_again_in_its_own_run(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """`freshness`: the order was delivered long ago, so the result is never young; without it, it would be repeated."""
    contracts["orders.get"]["freshness"] = {"asOf": "delivered_at", "maxAgeSeconds": 60}
    run = await begin()
    plan = await run.plan(READ, READ)
    first, second = await run.result(plan, 0), await run.result(plan, 1)
    assert (first.replayed_seq, second.replayed_seq) == (None, None)
    assert first.as_of < clock.text(clock.now() - 60 * clock.SECOND)
    contracts["orders.get"]["freshness"] = {"maxAgeSeconds": 60}
    run = await begin()
    plan = await run.plan(READ, READ)
    await run.result(plan, 0)
    assert (await run.result(plan, 1)).replayed_seq is not None
