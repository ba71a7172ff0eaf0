"""How does an operation's security become credentials? The first of its alternatives that a contract can fulfil.

A document never holds a secret, so what is written are keys of the tenant's Secret, which a person fills.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from keelstep.imports import naming, nodes
from keelstep.imports.draft import UnusableError
from keelstep.imports.openapi.document import Document, Node, Operation


@dataclass(slots=True)
class Security:
    """Credentials in the making, and why."""

    credentials: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """By field of the credentials; the empty one speaks of all."""


def read(document: Document, operation: Operation, server: str) -> Security:
    """The credentials of an operation.

    Raises:
        UnusableError: it wants some that a contract cannot name.
    """
    wanted = operation.content.get("security", document.content.get("security"))
    alternatives = [each for each in nodes.listed(wanted) if isinstance(each, Mapping)]
    if not alternatives:
        return Security()
    problems = []
    for alternative in sorted(alternatives, key=lambda each: not each):  # to be nobody comes last
        try:
            return _of(document, alternative, server)
        except UnusableError as error:
            problems.append(str(error))
    raise UnusableError(f"it needs {' or '.join(problems)}")


def _of(document: Document, alternative: Node, server: str) -> Security:
    found = Security()
    known = nodes.mapping(nodes.mapping(document.content.get("components")).get("securitySchemes"))
    for name, scopes in alternative.items():
        scheme = known.get(name)
        if scheme is None:
            raise UnusableError(f"the scheme {name!r}, which the document does not describe")
        content, note = _credential(name, document.follow(scheme), scopes, server)
        found.credentials |= content
        found.notes |= dict.fromkeys(content, note)
    if len(found.credentials.keys() - {"clientCertificate"}) > 1 or len(found.credentials) < len(alternative):
        raise UnusableError(f"{' and '.join(alternative)} at once")
    return found


def _credential(name: str, scheme: Node, scopes: Any, server: str) -> tuple[dict[str, Any], str]:
    """One scheme as a field of the credentials."""
    key = naming.kebab(name) or "credential"
    put = f"put the {{}} into the Secret keelstep-credentials under {key}"
    match str(scheme.get("type")), str(scheme.get("scheme", scheme.get("in", ""))).lower():
        case "http", "bearer":
            return {"bearer": {"key": key}}, put.format("token")
        case "http", "basic":
            return {
                "basic": {"username": "CHANGE-ME", "key": key}
            }, f"name the user; {put.format('password')}"
        case "apiKey", "header":
            return {"header": {"name": str(scheme.get("name")), "key": key}}, put.format("key")
        case "oauth2", _:
            return _oauth2(key, scheme, scopes, server)
        case "openIdConnect", _:
            return {
                "bearer": {"key": key}
            }, f"the document wants OpenID Connect; {put.format('token of a service')}"
        case "mutualTLS", _:
            return (
                {"clientCertificate": {"certificateKey": f"{key}.crt", "privateKeyKey": f"{key}.key"}},
                "put certificate and key into the Secret keelstep-credentials",
            )
        case "apiKey", place:
            raise UnusableError(f"an API key in a {place}, where it would be logged on its way")
        case kind, how:
            raise UnusableError(
                f"the scheme {name!r} ({kind} {how}), which contracts do not know".replace(" )", ")")
            )


def _oauth2(key: str, scheme: Node, scopes: Any, server: str) -> tuple[dict[str, Any], str]:
    flow = nodes.mapping(nodes.mapping(scheme.get("flows")).get("clientCredentials"))
    if not flow:
        return (
            {"bearer": {"key": key}},
            f"no flow of the document works without a person; put the token of a service under {key}",
        )
    try:
        address = urljoin(f"{server}/", str(flow.get("tokenUrl", "")))
    except ValueError as error:
        raise UnusableError("a token from an address that is none") from error
    content: dict[str, Any] = {
        "tokenURL": address,
        "clientID": "CHANGE-ME",
        "key": key,
    }
    if nodes.listed(scopes):
        content["scopes"] = [str(scope) for scope in nodes.listed(scopes)]
    return {
        "oauth2": content
    }, f"name the client; put its secret into the Secret keelstep-credentials under {key}"
