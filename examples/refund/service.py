"""The shop: orders to look up, store credits, ticket replies and refunds to book, and a ledger that tells the truth.

`python -m examples.refund.service --port 0 --database FILE --token-file FILE`

A small real service, not a stub: effects need the bearer token and are booked once per `Idempotency-Key`, on disk
before the reply. It does not check sums across bookings: a double refund must show in the ledger, not be refused here.
"""

import argparse
import asyncio
import dataclasses
import decimal
import pathlib
import secrets
import sqlite3
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from aiohttp import web

from examples.refund import faults, ledger, orders, refusal, serving

Money = Annotated[str, pydantic.Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$")]
QUEUED_FROM = decimal.Decimal("1000")
"""Refunds of this amount and more are paid by hand, so their state is `queued`. Unit: US dollars."""

LEDGER = web.AppKey("ledger", ledger.Ledger)
FAULTS = web.AppKey("faults", faults.Faults)
TOKEN = web.AppKey("token", str)

BodyT = TypeVar("BodyT", bound=pydantic.BaseModel)


class Body(pydantic.BaseModel):
    """A request body; unknown fields are refused."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class CreditBody(Body):
    """Grant store credit for an order."""

    order: str
    amount: Money
    note: Annotated[str, pydantic.Field(max_length=500)] = ""


class RevocationBody(Body):
    """Take store credit back."""

    credit: str


class RefundBody(Body):
    """Pay money back for an order."""

    order: str
    amount: Money
    reason: Literal["damaged", "not_delivered", "wrong_item", "other"]


class ReplyBody(Body):
    """Write to the customer."""

    message: Annotated[str, pydantic.Field(min_length=1, max_length=4000)]


async def get_order(request: web.Request) -> web.Response:
    """GET /orders/{id}."""
    return web.json_response(_order(request.match_info["id"]).model_dump())


async def post_credit(request: web.Request) -> web.Response:
    """POST /credits; needs token and key."""
    key = _writer(request, key_required=True)
    body = await _read(request, CreditBody)
    _check_amount(body.order, body.amount)
    return await _book(request, "credit", key, body, order=body.order, amount=body.amount)


async def get_credits(request: web.Request) -> web.Response:
    """GET /orders/{id}/credits: what was credited for an order and not revoked, of one reference if asked; needs token."""
    _writer(request, key_required=False)
    order = _order(request.match_info["id"])
    bookings = await request.app[LEDGER].bookings()
    revoked = {each.request["credit"] for each in bookings if each.kind == "revocation"}
    found = [each for each in bookings if each.kind == "credit" and each.order == order.id]
    return web.json_response(
        {
            "credits": [
                {"id": each.id, "amount": each.amount, "reference": each.key, "state": _state(each)}
                for each in found
                if each.id not in revoked and request.query.get("reference", each.key) == each.key
            ]
        }
    )


async def post_revocation(request: web.Request) -> web.Response:
    """POST /credits/{id}/revoke; needs token and key."""
    key = _writer(request, key_required=True)
    number = request.match_info["id"]
    bookings = await request.app[LEDGER].bookings()
    credit = next((each for each in bookings if each.kind == "credit" and each.id == number), None)
    if credit is None:
        refusal.refuse(404, "UnknownCredit", f"there is no credit {number!r}")
    body = RevocationBody(credit=number)
    return await _book(request, "revocation", key, body, order=credit.order, amount=credit.amount)


async def post_refund(request: web.Request) -> web.Response:
    """POST /refunds; needs token and key."""
    key = _writer(request, key_required=True)
    body = await _read(request, RefundBody)
    _check_amount(body.order, body.amount)
    return await _book(request, "refund", key, body, order=body.order, amount=body.amount)


async def post_reply(request: web.Request) -> web.Response:
    """POST /tickets/{id}/replies; needs the token; without a key every call sends."""
    key = _writer(request, key_required=False)
    body = await _read(request, ReplyBody)
    ticket = request.match_info["id"]
    if ticket not in orders.TICKETS:
        refusal.refuse(404, "UnknownTicket", f"there is no ticket {ticket!r}")
    return await _book(request, "reply", key, body, order=orders.TICKETS[ticket].id, ticket=ticket)


async def get_ledger(request: web.Request) -> web.Response:
    """GET /ledger: every booking, oldest first."""
    bookings = await request.app[LEDGER].bookings()
    return web.json_response({"bookings": [dataclasses.asdict(booking) for booking in bookings]})


async def post_fault(request: web.Request) -> web.Response:
    """POST /faults: arm one (see `faults`)."""
    _writer(request, key_required=False)
    request.app[FAULTS].arm(await _read(request, faults.Fault))
    return web.json_response(request.app[FAULTS].state(), status=201)


async def delete_faults(request: web.Request) -> web.Response:
    """DELETE /faults: disarm all, release all."""
    _writer(request, key_required=False)
    request.app[FAULTS].clear()
    return web.json_response(request.app[FAULTS].state())


async def release_faults(request: web.Request) -> web.Response:
    """POST /faults/release: let the calls that are held go on."""
    _writer(request, key_required=False)
    return web.json_response({"released": request.app[FAULTS].release()})


async def get_faults(request: web.Request) -> web.Response:
    """GET /faults/state."""
    return web.json_response(request.app[FAULTS].state())


def _order(number: str) -> orders.Order:
    if number not in orders.ORDERS:
        refusal.refuse(404, "UnknownOrder", f"there is no order {number!r}")
    return orders.ORDERS[number]


def _writer(request: web.Request, *, key_required: bool) -> str | None:
    """The idempotency key of a call that may write, or a refusal."""
    expected = f"Bearer {request.app[TOKEN]}".encode()
    if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected):
        refusal.refuse(401, "Unauthenticated", "send the header Authorization: Bearer <the shop's token>")
    key = request.headers.get("Idempotency-Key") or None
    if key_required and key is None:
        refusal.refuse(400, "KeyMissing", "send the header Idempotency-Key: money moves once per key")
    return key


async def _read(request: web.Request, model: type[BodyT]) -> BodyT:
    try:
        return model.model_validate_json(await request.read())
    except pydantic.ValidationError as error:
        problems = (".".join(map(str, part["loc"])) + ": " + part["msg"] for part in error.errors())
        refusal.refuse(400, "InvalidBody", "; ".join(problem.removeprefix(": ") for problem in problems))


def _check_amount(number: str, amount: str) -> None:
    paid = _order(number).amount
    if not 0 < decimal.Decimal(amount) <= decimal.Decimal(paid):
        refusal.refuse(
            422, "AmountOutOfRange", f"order {number} allows more than 0 and at most {paid}, not {amount}"
        )


async def _book(
    request: web.Request,
    kind: ledger.Kind,
    key: str | None,
    body: Body,
    *,
    order: str,
    ticket: str | None = None,
    amount: str | None = None,
) -> web.Response:
    effect = ledger.Request(kind=kind, order=order, ticket=ticket, amount=amount, body=body.model_dump())
    try:
        booking, again = await request.app[LEDGER].book(effect, key)
    except ledger.KeyReusedError:
        refusal.refuse(
            409, "KeyReused", "this Idempotency-Key was used for a different request; take a new one"
        )
    return web.json_response(
        {"id": booking.id, "state": _state(booking), "order": booking.order, "booked_at": booking.booked_at},
        status=201,
        headers={"Idempotent-Replayed": "true"} if again else None,
    )


def _state(booking: ledger.Booking) -> str:
    match booking.kind:
        case "credit":
            return "granted"
        case "revocation":
            return "revoked"
        case "reply":
            return "sent"
        case "refund":
            return "queued" if decimal.Decimal(booking.amount or "0") >= QUEUED_FROM else "issued"


@web.middleware
async def _misbehave(request: web.Request, handler: faults.Handler) -> web.StreamResponse:
    if request.path == "/ledger" or request.path.startswith(faults.PATH):
        return await handler(request)
    return await request.app[FAULTS].apply(request, handler)


def application(database: pathlib.Path, token: str) -> web.Application:
    """The shop over one SQLite file; effects need this bearer token."""
    app = web.Application(middlewares=[_misbehave, refusal.answer_in_json])
    app[TOKEN] = token

    async def open_ledger(app: web.Application) -> AsyncIterator[None]:
        app[FAULTS] = faults.Faults()
        app[LEDGER] = ledger.Ledger(database)
        yield
        await app[LEDGER].close()

    app.cleanup_ctx.append(open_ledger)
    app.add_routes(
        [
            web.get("/orders/{id}", get_order),
            web.get("/orders/{id}/credits", get_credits),
            web.post("/credits", post_credit),
            web.post("/credits/{id}/revoke", post_revocation),
            web.post("/tickets/{id}/replies", post_reply),
            web.post("/refunds", post_refund),
            web.get("/ledger", get_ledger),
            web.post(faults.PATH, post_fault),
            web.delete(faults.PATH, delete_faults),
            web.post(f"{faults.PATH}/release", release_faults),
            web.get(f"{faults.PATH}/state", get_faults),
        ]
    )
    return app


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.refund.service", description="The example shop."
    )
    parser.add_argument("--port", type=serving.port, default=0, help="0 takes a free one (default)")
    parser.add_argument(
        "--host", default=serving.HOST, help="where to listen; 0.0.0.0 in a Pod (default: here)"
    )
    parser.add_argument("--database", type=pathlib.Path, required=True, help="SQLite file; made if missing")
    parser.add_argument(
        "--token-file", type=pathlib.Path, required=True, help="file with the token for effects"
    )
    arguments: Any = parser.parse_args()
    try:
        token = arguments.token_file.read_text().strip()
    except OSError as error:
        sys.exit(f"cannot read --token-file {arguments.token_file}: {error.strerror}")
    if not token:
        sys.exit(f"--token-file {arguments.token_file} is empty; python -m examples.refund.render makes one")
    try:
        asyncio.run(serving.serve(application(arguments.database, token), arguments.port, arguments.host))
    except sqlite3.Error as error:
        sys.exit(f"cannot use --database {arguments.database}: {error}")


if __name__ == "__main__":
    main()
