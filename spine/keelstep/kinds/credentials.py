"""How does a call prove who it is, and the tool who it is? By keys of the tenant's Secret; no secret stands in a spec."""

from typing import Annotated, Literal

import pydantic

from keelstep.kinds.resource import Model
from keelstep.kinds.transport import Address, CredentialKey


class Bearer(Model):
    """`Authorization: Bearer …`."""

    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the token. Example: `refunds-token`."""


class HeaderCredential(Model):
    """A secret header."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)]
    """The header's name. Example: `X-Api-Key`."""
    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds its value. Example: `shop-key`."""


class Basic(Model):
    """HTTP basic authentication."""

    username: Annotated[str, pydantic.Field(pattern=r"^[^:]+$", max_length=256)]
    """The user's name. Example: `keelstep`."""
    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the password. Example: `shop-password`."""


class OAuth2(Model):
    """A bearer token that the gateway fetches with the client credentials grant, and again shortly before it expires.

    The issuer is trusted, and shown a client certificate, as the tool is."""

    token_url: Annotated[Address, pydantic.Field(alias="tokenURL")]
    """Where tokens are issued. Example: `https://login.shop.example/oauth2/token`."""
    client_id: Annotated[str, pydantic.Field(alias="clientID", min_length=1, max_length=256)]
    """Who asks. Example: `keelstep`."""
    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the client's secret. Example: `oauth-secret`."""
    scopes: Annotated[
        list[Annotated[str, pydantic.Field(pattern=r"^[!#-\[\]-~]+$", max_length=256)]],
        pydantic.Field(max_length=16),
    ] = []
    """What the token is for. Default: what the issuer gives without being asked. Example: `["refunds.write"]`."""
    audience: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] | None = None
    """Whom the token is for, where the issuer reads `audience`. Default: what the issuer decides.
    Example: `https://refunds.shop.example`."""
    resource: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] | None = None
    """Whom the token is for, where the issuer reads `resource` (RFC 8707), as those of MCP servers do. Default: what
    the issuer decides. Example: `https://incidents.shop.example/mcp`."""
    authentication: Literal["Basic", "Body"] = "Basic"
    """Where client ID and secret stand: in the Authorization header or in the body. Default: Basic."""


class ClientCertificate(Model):
    """A certificate that the gateway shows to the tool (mutual TLS)."""

    certificate_key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the certificate and its chain, PEM. Example: `tls.crt`."""
    private_key_key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds its private key, PEM. Example: `tls.key`."""


class CACertificate(Model):
    """Whom the gateway trusts to name the tool."""

    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the certificates, PEM; no others count then.
    Example: `ca.crt`."""


class Credentials(Model):
    """How the call proves who it is, and how the tool must: at most one of bearer, header, basic and oauth2.

    The secrets stay in the gateway."""

    bearer: Bearer | None = None
    """A bearer token."""
    header: HeaderCredential | None = None
    """A secret header."""
    basic: Basic | None = None
    """A user's name and password."""
    oauth2: OAuth2 | None = None
    """A bearer token that the gateway fetches."""
    client_certificate: ClientCertificate | None = None
    """A client certificate, beside any of the others."""
    ca_certificate: CACertificate | None = None
    """Whose certificates the tool may show. Default: the authorities that the web trusts."""
