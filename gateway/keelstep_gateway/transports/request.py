"""What HTTP request does a contract make of arguments? Nothing an argument says can change more than its own place.

Pure: no credential is added and nothing is sent here.
"""

import base64
import binascii
import functools
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import multidict
import yarl

from keelstep.domain import canonical, cel
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import RESERVED_HEADERS, Http
from keelstep_gateway.transports.egress import Request
from keelstep_gateway.transports.transport import CallError

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "keelstep-gateway"}
_HOLE = re.compile(r"\{([^{}]+)\}")
_AS_IT_IS = "%/:?@!$&'()*+,;=-._~"
"""What may stand in a path or query as it is."""
_TYPE = "Content-Type"
_WITH_BODY = ("POST", "PUT", "PATCH")
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")


class BuildError(CallError):
    """No request can be made of these arguments; the message says why, without their values."""

    def __init__(self, message: str) -> None:
        super().__init__("RequestInvalid", message)


def build(
    spec: ToolContractSpec, args: Mapping[str, Any], *, key: str, evaluate: cel.Evaluate = cel.here
) -> Request:
    """The request a contract makes of these arguments.

    Raises:
        BuildError: an argument is missing or cannot stand where the contract wants it.
    """
    http = spec.transport.http
    if http is None:
        raise BuildError("the contract has no transport")
    named = (*(each.name for each in http.headers), http.idempotency_header)
    if any(name.lower() in RESERVED_HEADERS for name in named):
        raise BuildError("the contract sets a header that frames the request")
    headers = multidict.CIMultiDict(_HEADERS)
    headers.update({header.name: header.value for header in http.headers})
    if spec.idempotency.mode != "None":
        headers[http.idempotency_header] = key
    content, media_type = _body(http, args, evaluate)
    if media_type:
        # of JSON there are many kinds, and only the contract knows which one a tool wants
        headers[_TYPE] = headers.get(_TYPE, media_type) if http.encoding == "JSON" else media_type
    if not all(value.isprintable() and value.isascii() for value in headers.values()):
        raise BuildError("a header holds characters that no header may hold")
    try:
        return Request(method=http.method, url=_url(http, args), headers=headers, content=content)
    except ValueError as error:  # no address, or no host that could have a name
        raise BuildError(f"no valid request can be made: {type(error).__name__}") from error


class _Piece(NamedTuple):
    """Part of an address: a text, encoded, or the name of the argument that stands there."""

    text: str
    is_hole: bool


class _Template(NamedTuple):
    """A contract's address, taken apart once."""

    scheme: str
    authority: str
    path: tuple[_Piece, ...]
    query: tuple[_Piece, ...]


@functools.lru_cache(maxsize=4096)
def _template(url: str) -> _Template:
    """Takes apart an address with holes; what is percent-encoded already stays so, to the letter."""
    texts = _HOLE.split(url.partition("#")[0])  # every other one is a name
    scheme, _, rest = texts[0].partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    texts[0] = rest.removeprefix(authority)
    path: list[_Piece] = []
    query: list[_Piece] = []
    into = path
    for place, text in enumerate(texts):
        if place % 2:
            into.append(_Piece(text, is_hole=True))
            continue
        if into is path and "?" in text:
            before, _, text = text.partition("?")
            path.append(_Piece(quote(before, safe=_AS_IT_IS), is_hole=False))
            into = query
        into.append(_Piece(quote(text, safe=_AS_IT_IS), is_hole=False))
    return _Template(scheme, authority, tuple(path), tuple(query))


def _url(http: Http, args: Mapping[str, Any]) -> yarl.URL:
    """The address with every hole filled in; an argument can never change what is addressed beyond its own place."""
    template = _template(http.url)
    path = _filled(template.path, args, is_path=True)
    if "/." in path and any(part in (".", "..") for part in path.split("/")):
        raise BuildError("an argument would lead to another path")
    query = [_filled(template.query, args, is_path=False)] if template.query else []
    given = {name: args[name] for name in http.query if name in args}
    if given:
        query.append(urlencode(_texts("the query", given), quote_via=quote))
    return yarl.URL.build(
        scheme=template.scheme,
        authority=template.authority,
        path=path or "/",
        query_string="&".join(query),
        encoded=True,
    )


def _filled(pieces: Sequence[_Piece], args: Mapping[str, Any], *, is_path: bool) -> str:
    return "".join(_quoted_argument(text, args, is_path) if is_hole else text for text, is_hole in pieces)


def _quoted_argument(name: str, args: Mapping[str, Any], is_path: bool) -> str:
    text = _scalar(args.get(name))
    if text is None:
        raise BuildError(f"argument {name} is needed for the address, as a text or number")
    if not text and is_path:
        raise BuildError(f"argument {name} is empty and cannot stand in the path")
    return quote(text, safe="")


def _body(http: Http, args: Mapping[str, Any], evaluate: cel.Evaluate) -> tuple[bytes, str]:
    """The body and its media type; empty where there is none."""
    if http.body is None and http.method not in _WITH_BODY:
        return b"", ""
    document: Any = dict(args)
    try:
        if http.body is not None:
            document = evaluate(cel.compile_expression(http.body, ("args",)), {"args": document}, {})
        payload = canonical.dumps(document)
    except (cel.CompileError, cel.EvaluationError, TypeError, ValueError) as error:
        raise BuildError("the contract's body expression failed on these arguments") from error
    if document is None:
        return b"", ""
    if http.encoding == "JSON":
        return payload, "application/json"
    fields = canonical.loads(payload)
    if not isinstance(fields, dict):
        raise BuildError("the body is no object, and only an object has fields")
    if http.encoding == "Form":
        return _form(fields), "application/x-www-form-urlencoded"
    return _multipart(fields)


def _form(fields: Mapping[str, Any]) -> bytes:
    return urlencode(_texts("the body", fields)).encode()


def _multipart(fields: Mapping[str, Any]) -> tuple[bytes, str]:
    """RFC 7578."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    files = {name: value for name, value in fields.items() if isinstance(value, dict)}
    texts = {name: value for name, value in fields.items() if name not in files}
    for name, text in _texts("the body", texts):
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'.encode()
        )
        parts.append(text.encode() + b"\r\n")
    for name, value in files.items():
        filename, media_type, content = _file(name, value)
        parts.append(
            f"--{boundary}\r\nContent-Disposition: form-data;"
            f' name="{_quoted(name)}"; filename="{_quoted(filename)}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n".encode()
        )
        parts.append(content + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _texts(where: str, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each field as text, a list as one field for each of its items; what is null is left out."""
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            text = _scalar(each)
            if text is not None:
                found.append((name, text))
            elif each is not None:
                raise BuildError(f"field {name} of {where} is no text, number or list of these")
    return found


def _file(name: str, value: Mapping[str, Any]) -> tuple[str, str, bytes]:
    filename, media_type = value.get("filename"), value.get("mediaType", "application/octet-stream")
    if (
        not isinstance(filename, str)
        or not isinstance(media_type, str)
        or not _MEDIA_TYPE.fullmatch(media_type)
    ):
        raise BuildError(f"field {name} of the body is no file: {{filename, content, mediaType}}")
    try:
        content = base64.b64decode(value.get("content", ""), validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BuildError(f"the content of file {name} is not base64") from error
    return filename, media_type, content


def _quoted(text: str) -> str:
    return text.translate(_QUOTED)


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
