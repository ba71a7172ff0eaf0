"""Does the example shop keep its word: once per key, on disk before the reply, and as faulty as it is told to be?"""

import asyncio
import json
import pathlib
import sqlite3
import sys

import aiohttp
import pytest

from examples.refund import faults, testing
from tests.integration.examples import asking

REFUND = {"order": "1071", "amount": "189.00", "reason": "damaged"}


async def _wait_booked(shop: testing.Shop, key: str) -> None:
    async with asyncio.timeout(60):
        while not await asking.booked(shop, key):  # noqa: ASYNC110 the condition is in another process
            await asyncio.sleep(0.01)


def _errors(folder: pathlib.Path) -> list[str]:
    return [path.read_text() for path in folder.glob("*.err")]


async def test_an_order_is_shown_to_anyone_who_knows_its_number(shop: testing.Shop) -> None:
    """Reading needs no token; money is a decimal string."""
    status, order, _ = await asking.ask(shop, "GET", "/orders/1071", headers={})
    assert (status, order["customer"], order["amount"], order["ticket"]) == (
        200,
        "Priya Nair",
        "189.00",
        "T-1071",
    )


async def test_effects_are_booked_with_key_kind_order_and_amount(shop: testing.Shop) -> None:
    """The ledger is the witness: it says what was done, for what, when, and under which key."""
    keys = {kind: asking.key() for kind in ("refund", "credit", "reply")}
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=keys["refund"]))[1]["state"] == "issued"
    credit = {"order": "1042", "amount": "12.25", "note": "sorry"}
    assert (await asking.ask(shop, "POST", "/credits", credit, key=keys["credit"]))[1]["state"] == "granted"
    reply = await asking.ask(shop, "POST", "/tickets/T-1042/replies", {"message": "hello"}, key=keys["reply"])
    assert reply[1]["state"] == "sent"
    for kind, order, amount in (
        ("refund", "1071", "189.00"),
        ("credit", "1042", "12.25"),
        ("reply", "1042", None),
    ):
        (booking,) = await asking.booked(shop, keys[kind])
        assert (booking["kind"], booking["order"], booking["amount"]) == (kind, order, amount)
        assert booking["booked_at"].endswith("+00:00")


async def test_a_large_refund_is_queued_for_a_person_to_pay(shop: testing.Shop) -> None:
    """The state `queued` exists and is booked like `issued`."""
    key = asking.key()
    body = {"order": "1105", "amount": "1450.00", "reason": "not_delivered"}
    assert (await asking.ask(shop, "POST", "/refunds", body, key=key))[1]["state"] == "queued"
    assert len(await asking.booked(shop, key)) == 1


@pytest.mark.parametrize("calls", [2, 8])
async def test_one_key_books_once_however_many_ask_at_once(shop: testing.Shop, calls: int) -> None:
    """All get the same reply; all but one are told that it is a replay."""
    key = asking.key()
    replies = await asyncio.gather(
        *(asking.ask(shop, "POST", "/refunds", REFUND, key=key) for _ in range(calls))
    )
    assert {(status, json.dumps(body)) for status, body, _ in replies} == {(201, json.dumps(replies[0][1]))}
    assert sorted(again for _, _, again in replies) == [False] + [True] * (calls - 1)
    assert len(await asking.booked(shop, key)) == 1


async def test_a_key_stands_for_one_request_only(shop: testing.Shop) -> None:
    """Another body, or another kind of effect, under a used key is refused and books nothing."""
    key = asking.key()
    await asking.ask(shop, "POST", "/refunds", REFUND, key=key)
    status, body, _ = await asking.ask(shop, "POST", "/refunds", REFUND | {"amount": "1.00"}, key=key)
    assert (status, body["error"]["reason"]) == (409, "KeyReused")
    status, _, _ = await asking.ask(shop, "POST", "/credits", {"order": "1071", "amount": "189.00"}, key=key)
    assert status == 409
    assert len(await asking.booked(shop, key)) == 1


async def test_two_keys_are_two_bookings_even_beyond_what_was_paid(shop: testing.Shop) -> None:
    """A double refund must show in the ledger: a shop that refused it would hide the caller's mistake."""
    keys = [asking.key(), asking.key()]
    for key in keys:
        assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[0] == 201
    assert [len(await asking.booked(shop, key)) for key in keys] == [1, 1]


async def test_a_reply_without_a_key_is_sent_each_time(shop: testing.Shop) -> None:
    """Only money insists on a key."""
    message = f"hello {asking.key()}"
    for _ in range(2):
        assert (await asking.ask(shop, "POST", "/tickets/T-1088/replies", {"message": message}))[0] == 201
    assert len([each for each in await shop.ledger() if each["request"].get("message") == message]) == 2


REFUSALS: dict[str, tuple[str, str, object, dict[str, str], int, str]] = {
    "an unknown order": ("GET", "/orders/9999", None, {}, 404, "UnknownOrder"),
    "a refund for an unknown order": (
        "POST",
        "/refunds",
        REFUND | {"order": "9999"},
        {},
        404,
        "UnknownOrder",
    ),
    "a reply on an unknown ticket": (
        "POST",
        "/tickets/T-9/replies",
        {"message": "x"},
        {},
        404,
        "UnknownTicket",
    ),
    "no token": ("POST", "/refunds", REFUND, {"Authorization": ""}, 401, "Unauthenticated"),
    "a wrong token": ("POST", "/credits", {}, {"Authorization": "Bearer x"}, 401, "Unauthenticated"),
    "a token that is not ASCII": (
        "POST",
        "/refunds",
        {},
        {"Authorization": "Bearer ü"},
        401,
        "Unauthenticated",
    ),
    "a fault without the token": ("POST", "/faults", {}, {"Authorization": ""}, 401, "Unauthenticated"),
    "no key for a refund": ("POST", "/refunds", REFUND, {"Idempotency-Key": ""}, 400, "KeyMissing"),
    "no key for a credit": ("POST", "/credits", {}, {"Idempotency-Key": ""}, 400, "KeyMissing"),
    "a number as amount": ("POST", "/refunds", REFUND | {"amount": 189.0}, {}, 400, "InvalidBody"),
    "an unknown reason": ("POST", "/refunds", REFUND | {"reason": "x"}, {}, 400, "InvalidBody"),
    "an unknown field": ("POST", "/refunds", REFUND | {"to": "me"}, {}, 400, "InvalidBody"),
    "a body that is no object": ("POST", "/refunds", [1], {}, 400, "InvalidBody"),
    "an unknown fault": ("POST", "/faults", {"path": "/refunds", "mode": "sulk"}, {}, 400, "InvalidBody"),
    "more than was paid": ("POST", "/refunds", REFUND | {"amount": "189.01"}, {}, 422, "AmountOutOfRange"),
    "nothing": ("POST", "/refunds", REFUND | {"amount": "0.00"}, {}, 422, "AmountOutOfRange"),
    "an unknown path": ("GET", "/nowhere", None, {}, 404, "NotFound"),
    "a wrong method": ("DELETE", "/ledger", None, {}, 405, "MethodNotAllowed"),
}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"), REFUSALS.values(), ids=REFUSALS.keys()
)
async def test_a_refusal_has_a_status_a_reason_and_books_nothing(
    shop: testing.Shop,
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    """These are the statuses the contracts list as `notPerformed`, so they must come before any booking."""
    before = len(await shop.ledger())
    given = {**shop.headers, "Idempotency-Key": asking.key(), **headers}
    got, answer, _ = await asking.ask(shop, method, path, body, headers=given)
    assert (got, answer["error"]["reason"]) == (status, reason)
    assert answer["error"]["message"]
    assert len(await shop.ledger()) == before


async def test_fail_answers_its_status_before_anything_is_booked(shop: testing.Shop) -> None:
    """It lasts as many calls as it was armed for, on its path alone."""
    key = asking.key()
    await shop.fault("/refunds", "fail", status=429, times=2)
    assert (await asking.ask(shop, "GET", "/orders/1042"))[0] == 200
    assert [(await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[0] for _ in range(2)] == [429, 429]
    assert not await asking.booked(shop, key)
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[0] == 201


async def test_a_fault_covers_the_paths_below_its_own(shop: testing.Shop) -> None:
    """`/tickets` means every ticket; `/refund` does not mean `/refunds`."""
    await shop.fault("/tickets", "fail")
    await shop.fault("/refund", "fail")
    assert (await asking.ask(shop, "POST", "/tickets/T-1042/replies", {"message": "x"}))[0] == 503
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=asking.key()))[0] == 201


async def test_slow_books_in_the_end_even_if_the_caller_left(shop: testing.Shop) -> None:
    """A timeout proves nothing: the same key finds the booking later."""
    key = asking.key()
    await shop.fault("/refunds", "slow", seconds=1)
    with pytest.raises(TimeoutError):
        await asking.ask(shop, "POST", "/refunds", REFUND, key=key, timeout_seconds=0.1)
    assert not await asking.booked(shop, key)
    await _wait_booked(shop, key)
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[2]


@pytest.mark.parametrize(("mode", "booked"), [("hold", 1), ("hold-before", 0)])
async def test_a_held_call_waits_for_its_release(shop: testing.Shop, mode: str, booked: int) -> None:
    """`hold` has booked when it waits, `hold-before` has not; both reply once released."""
    key = asking.key()
    await shop.fault("/refunds", mode)
    call = asyncio.create_task(asking.ask(shop, "POST", "/refunds", REFUND, key=key))
    await shop.wait_held()
    assert (await shop.state())["waiting_by_path"] == {"/refunds": 1}
    assert len(await asking.booked(shop, key)) == booked
    assert await shop.release() == 1
    assert (await call)[0] == 201
    assert len(await asking.booked(shop, key)) == 1
    assert (await shop.state())["waiting"] == 0


async def test_a_held_refund_is_found_by_the_one_who_takes_over(shop: testing.Shop) -> None:
    """The call's first owner is gone; the same key gets the booking at once, and it stays one."""
    key = asking.key()
    await shop.fault("/refunds", "hold")
    first = asyncio.create_task(asking.ask(shop, "POST", "/refunds", REFUND, key=key))
    await shop.wait_held()
    first.cancel()
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[2]
    await shop.release()
    assert len(await asking.booked(shop, key)) == 1


async def test_a_call_held_before_it_books_is_booked_although_its_caller_is_gone(shop: testing.Shop) -> None:
    """The shop has the request; that nobody waits for the reply undoes nothing."""
    key = asking.key()
    await shop.fault("/refunds", "hold-before")
    call = asyncio.create_task(asking.ask(shop, "POST", "/refunds", REFUND, key=key))
    await shop.wait_held()
    call.cancel()
    await asyncio.wait([call])
    assert await shop.release() == 1
    await _wait_booked(shop, key)


async def test_cut_after_commit_books_and_breaks_the_connection(shop: testing.Shop) -> None:
    """The caller knows nothing; the ledger knows."""
    key = asking.key()
    await shop.fault("/refunds", "cut-after-commit")
    with pytest.raises(aiohttp.ClientConnectionError):
        await asking.ask(shop, "POST", "/refunds", REFUND, key=key)
    assert len(await asking.booked(shop, key)) == 1
    assert (await asking.ask(shop, "POST", "/refunds", REFUND, key=key))[2]


UNREADABLE = {
    "html": ("text/html", "<!doctype html>"),
    "malformed": ("application/json", '{"id": "RF-'),
    "wrong-shape": ("application/json", '{"surprise"'),
}


@pytest.mark.parametrize(
    ("mode", "content_type", "beginning"), [(mode, *rest) for mode, rest in UNREADABLE.items()]
)
async def test_an_unreadable_reply_hides_a_booking(
    shop: testing.Shop, mode: str, content_type: str, beginning: str
) -> None:
    """The worst case on purpose: it happened, and the reply does not say so."""
    key = asking.key()
    await shop.fault("/refunds", mode)
    headers = {**shop.headers, "Idempotency-Key": key}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(shop.url + "/refunds", json=REFUND) as response,
    ):
        assert (response.status, response.content_type) == (200, content_type)
        assert (await response.text()).startswith(beginning)
    assert len(await asking.booked(shop, key)) == 1


async def test_die_after_commit_loses_the_process_but_not_the_booking(
    own_shop: testing.Shop, tmp_path: pathlib.Path
) -> None:
    """Back on the same port and database, healthy, the shop answers the same key from its ledger."""
    key = asking.key()
    await own_shop.fault("/refunds", "die-after-commit", times=5)
    with pytest.raises(aiohttp.ClientConnectionError):
        await asking.ask(own_shop, "POST", "/refunds", REFUND, key=key)
    assert await own_shop.process.wait() == faults.EXIT_CODE
    async with testing.running_service(tmp_path, port=int(own_shop.url.rpartition(":")[2])) as again:
        assert (again.url, again.token) == (own_shop.url, own_shop.token)
        assert (await asking.ask(again, "POST", "/refunds", REFUND, key=key))[2]
        assert len(await asking.booked(again, key)) == 1


async def test_two_shops_on_one_database_book_one_key_once(
    own_shop: testing.Shop, tmp_path: pathlib.Path
) -> None:
    """The key is unique on disk, not in a process's memory."""
    async with testing.running_service(tmp_path) as second:
        for _ in range(10):
            key = asking.key()
            replies = await asyncio.gather(
                *(asking.ask(each, "POST", "/refunds", REFUND, key=key) for each in (own_shop, second))
            )
            assert [status for status, _, _ in replies] == [201, 201]
            assert len(await asking.booked(second, key)) == 1


async def test_an_acknowledged_booking_survives_kill_9(
    own_shop: testing.Shop, tmp_path: pathlib.Path
) -> None:
    """It was committed before the reply, so the file alone can be asked."""
    key = asking.key()
    await asking.ask(own_shop, "POST", "/refunds", REFUND, key=key)
    own_shop.process.kill()
    await own_shop.process.wait()
    connection = sqlite3.connect(tmp_path / "shop.db")
    try:
        assert connection.execute("SELECT count(*) FROM bookings WHERE key = ?", (key,)).fetchone() == (1,)
    finally:
        connection.close()


async def test_sigterm_ends_the_shop_in_good_order_even_with_a_call_held(
    own_shop: testing.Shop, tmp_path: pathlib.Path
) -> None:
    """Exit status 0, nothing on standard error, and what was not committed is not booked on the way out."""
    key = asking.key()
    await own_shop.fault("/refunds", "hold-before")
    call = asyncio.create_task(asking.ask(own_shop, "POST", "/refunds", REFUND, key=key))
    await own_shop.wait_held()
    own_shop.process.terminate()
    assert await own_shop.process.wait() == 0
    with pytest.raises(aiohttp.ClientConnectionError):
        await call
    assert _errors(tmp_path) == [""]
    async with testing.running_service(tmp_path) as again:
        assert not await asking.booked(again, key)


MISTAKES = {
    "no token file": (
        ["--database", "shop.db", "--token-file", "nowhere"],
        "cannot read --token-file nowhere",
    ),
    "an empty token file": (
        ["--database", "shop.db", "--token-file", "empty"],
        "--token-file empty is empty",
    ),
    "a database that is a folder": (["--database", ".", "--token-file", "token"], "cannot use --database ."),
    "a port that is none": (["--port", "65536", "--database", "x", "--token-file", "token"], "usage: "),
    "a port that is taken": (
        ["--database", "shop.db", "--token-file", "token"],
        "cannot listen on 127.0.0.1:",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_a_wrong_argument_is_answered_in_one_sentence(
    shop: testing.Shop, tmp_path: pathlib.Path, arguments: list[str], message: str
) -> None:
    """A person's mistake never ends in a stack trace."""
    (tmp_path / "empty").touch()
    (tmp_path / "token").write_text("a-token")
    taken = shop.url.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "examples.refund.service", "--port", taken, *arguments),
        cwd=tmp_path,
        env={"PYTHONPATH": str(testing.ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode in {1, 2}
    assert errors.decode().startswith(message)
    assert "Traceback" not in errors.decode()
