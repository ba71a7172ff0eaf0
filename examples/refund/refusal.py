"""How does the shop say no? One JSON shape, `{"error": {"reason", "message"}}`, for every refusal.

Decides nothing: the handlers say when and why.
"""

import json
from collections.abc import Awaitable, Callable
from typing import NoReturn

from aiohttp import web


class RefusalError(Exception):
    """The call is refused; nothing was booked."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def response(self) -> web.Response:
        """The refusal as its caller sees it."""
        text = json.dumps({"error": {"reason": self.reason, "message": self.message}})
        return web.Response(status=self.status, text=text, content_type="application/json")


def refuse(status: int, reason: str, message: str) -> NoReturn:
    """End the handler here. `reason` is one CamelCase word, `message` a sentence for a person."""
    raise RefusalError(status, reason, message)


@web.middleware
async def answer_in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn refusals into replies, also those of the framework (no such path, wrong method)."""
    try:
        return await handler(request)
    except RefusalError as error:
        return error.response()
    except web.HTTPClientError as error:
        message = f"{request.method} {request.path}: {error.reason}"
        return RefusalError(error.status, error.reason.replace(" ", ""), message).response()
