"""What does the server answer where it cannot answer? A Kubernetes Status, which every client shows as one sentence.

No stack trace, no internals: a reason a program can match, and a message for a person.
"""

from typing import Any

from keelstep import errors


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, code: int, reason: str, message: str, *, plural: str = "", name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.plural = plural
        self.name = name

    def status(self, group: str) -> dict[str, Any]:
        """The Status object."""
        details = {"group": group, "kind": self.plural, "name": self.name} if self.plural else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


def not_found(plural: str, name: str, group: str) -> Refusal:
    """No Execution of that name was ever recorded."""
    message = f'{plural}.{group} "{name}" not found'
    return Refusal(404, "NotFound", message, plural=plural, name=name)


def no_such_path(path: str) -> Refusal:
    """Nothing is served there."""
    return Refusal(404, "NotFound", f"nothing is served at {path}")


def not_the_apiserver() -> Refusal:
    """The connection is not the kube-apiserver's."""
    return Refusal(
        401,
        "Unauthorized",
        "only the kube-apiserver may ask here, with a client certificate of its request-header authority;"
        " ask through it, e.g. kubectl get executiontraces",
    )


def unavailable(message: str) -> Refusal:
    """The log cannot be read at this moment."""
    return Refusal(503, "ServiceUnavailable", message)


def stalled(error: errors.Stalled) -> Refusal:
    """The log cannot be read until a person has acted, or not here any more."""
    return Refusal(410 if isinstance(error, errors.LogArchivedError) else 500, error.reason, error.message)


def bad_request(message: str) -> Refusal:
    """The question cannot be understood."""
    return Refusal(400, "BadRequest", message)


def expired(message: str) -> Refusal:
    """The token to continue with belongs to a log that the name no longer has."""
    return Refusal(410, "Expired", message)


def not_allowed(method: str) -> Refusal:
    """Views are read, never written or watched."""
    return Refusal(
        405, "MethodNotAllowed", f"{method} is not possible on views: they are read, with get and list"
    )
