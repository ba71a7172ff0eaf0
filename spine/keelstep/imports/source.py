"""What does a file or an address hold? Its bytes, up to a bound; read as the person who asks."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from keelstep.imports.draft import DocumentError, UnreachableError

MOST_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 30.0


def is_address(where: str) -> bool:
    """Is it an address rather than a file?"""
    return where.startswith(("http://", "https://"))


def read(where: str) -> bytes:
    """The bytes of a file or of what an address answers.

    Raises:
        UnreachableError: nobody answers at that address, or not with the document.
        DocumentError: it cannot be read, or is larger than `MOST_BYTES`.
    """
    try:
        if is_address(where):
            with urllib.request.urlopen(where, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 http and https alone
                payload: bytes = answer.read(MOST_BYTES + 1)
        else:
            with Path(where).open("rb") as file:
                payload = file.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise UnreachableError(f"{where} answered {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        kind = UnreachableError if is_address(where) else DocumentError
        raise kind(f"{where} cannot be read: {_why(error)}") from error
    if len(payload) > MOST_BYTES:
        raise DocumentError(f"{where} is larger than {MOST_BYTES // 1024 // 1024} MiB")
    return payload


def _why(error: Exception) -> str:
    """In the system's words, without its numbers."""
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)
