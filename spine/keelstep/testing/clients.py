"""How does a test become a program or a runner? A connection with an identity of the test's installation.

Whatever is connected is closed with the broker. Nothing here starts a server.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keelstep.events import clock
from keelstep.log import connection, identities, jetstream, tokens
from keelstep.log.client import Connection
from keelstep.log.identities import Role
from keelstep.log.installation import Installation
from keelstep.log.tokens import Claims, Credentials, Key


@dataclass(slots=True)
class Clients(ABC):
    """Connections to a broker, one server or several."""

    folder: Path
    installation: Installation = field(init=False)
    _clients: list[Connection] = field(default_factory=list, init=False)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; several addresses are separated by commas."""

    async def connect(self, role: Role, *, url: str = "", **options: object) -> Connection:
        """A program's connection; with `url` to that server only."""
        file = self.installation.credentials_file(role)
        return await self._connect(url, file, role.value, identities.inbox(role), options)

    async def connect_as(
        self, credentials: Credentials, inbox_prefix: str, *, url: str = "", **options: object
    ) -> Connection:
        """A connection with any identity; with `url` to that server only."""
        return await self._connect(url, credentials, "test", inbox_prefix, options)

    def attempt(
        self, tenant: str, xid: str, attempt: int = 1, *, lasts_seconds: float = 3600, shard: int = 0
    ) -> Credentials:
        """A runner's identity."""
        now = clock.now()
        return self.installation.attempt_issuer.attempt_user(
            tenant,
            xid,
            attempt,
            shard,
            now + int(lasts_seconds * clock.SECOND),
            now=now,
            key=Key.generate("user"),
        )

    async def administrator(self) -> Connection:
        """A connection of whoever runs the broker: may do everything, with the key that no program reads."""
        site = self.installation
        signing_key = Key.parse((site.folder / "offline" / "core.nk").read_text())
        key = Key.generate("user")
        about: Claims = {
            "type": "user",
            "version": 2,
            "issuer_account": site.accounts.core,
            "pub": {"allow": [">"]},
            "sub": {"allow": [">"]},
            **dict.fromkeys(("subs", "data", "payload"), -1),
        }
        claims = {
            "name": "administrator",
            "sub": key.public,
            "iat": clock.now() // clock.SECOND,
            "nats": about,
        }
        credentials = Credentials(tokens.mint(claims, signing_key), key.seed, key.public)
        return await self.connect_as(credentials, "_INBOX.administrator")

    async def change_stream(self, name: str, **changes: object) -> None:
        """Change a stream's settings, as whoever runs the broker may."""
        nc = await self.administrator()
        found = await jetstream.call(nc, f"STREAM.INFO.{name}", type=dict[str, Any])
        await jetstream.call(nc, f"STREAM.UPDATE.{name}", {**found["config"], **changes}, type=dict)
        await nc.close()

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.close()
        self._clients.clear()

    async def _connect(
        self,
        url: str,
        credentials: Credentials | Path,
        name: str,
        inbox_prefix: str,
        options: dict[str, object],
    ) -> Connection:
        client = await connection.connect(
            url or self.url,
            credentials,
            name,
            inbox_prefix=inbox_prefix,
            **options,  # type: ignore[arg-type]
        )
        self._clients.append(client)
        return client
