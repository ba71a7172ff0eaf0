"""Where does an operation live? The first server the document names for it, or the one a person gives."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from keelstep.imports import nodes
from keelstep.imports.draft import UnusableError
from keelstep.imports.openapi.document import Document, Operation

_HOLE = re.compile(r"\{([^{}]+)\}")


def of(document: Document, operation: Operation, given: str = "") -> tuple[str, str]:
    """The address before the path, without a slash at its end, and why this one.

    Raises:
        UnusableError: the document names none that is whole.
    """
    if given:
        return given.rstrip("/"), ""
    listed = next(
        (
            servers
            for servers in (
                each.get("servers") for each in (operation.content, operation.around, document.content)
            )
            if isinstance(servers, list) and servers
        ),
        [{"url": "/"}],
    )
    url, told = _filled(nodes.mapping(listed[0]))
    try:
        address = (
            urljoin(document.address, url) if document.address.startswith(("http://", "https://")) else url
        )
        parts = urlsplit(address)
    except ValueError as error:
        raise UnusableError("its server's address is none; give one with --server URL") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UnusableError("the document names no server; give one with --server URL")
    if len(listed) > 1:
        told.append(f"the first of {len(listed)} servers")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1"):
        told.append("not encrypted")
    return address.rstrip("/"), "; ".join(told)


def _filled(server: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The server's address with its variables at their defaults."""
    variables = nodes.mapping(server.get("variables"))
    told: list[str] = []

    def fill(hole: re.Match[str]) -> str:
        variable = nodes.mapping(variables.get(hole[1]))
        if "default" not in variable:
            raise UnusableError(f"the server's variable {hole[1]!r} has no default; give --server URL")
        told.append(f"{hole[1]} is {variable['default']}, its default")
        return str(variable["default"])

    return _HOLE.sub(fill, str(server.get("url", ""))), told
