"""`keelstep backup` and `keelstep restore`: the whole log into a folder, and back into an empty broker.

For whoever runs the installation: they need its folder (in a cluster, the content of its Secret) and the broker.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from nats.aio.client import Client

from keelstep import errors
from keelstep.backup import folder as folders
from keelstep.backup import make
from keelstep.backup import restore as restoring
from keelstep.cli import exits, options, show
from keelstep.cli.show import Output, Show
from keelstep.events import clock
from keelstep.log import connection, identities, installation
from keelstep.log.identities import Role
from keelstep.log.installation import Installation

Into = Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER", show_default=False)]
From = Annotated[Path, typer.Argument(help="A backup.", metavar="FOLDER", show_default=False)]
Form = Annotated[Output, typer.Option("--output", "-o", help="table, json or yaml.", metavar="FORM")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    where = "--installation installation --nats-url nats://127.0.0.1:4222"
    app.command("backup", epilog=f"Example: keelstep backup /backups/2026-11-21 {where}")(_backup)
    app.command("restore", epilog=f"Example: keelstep restore /backups/2026-11-21 {where}")(_restore)


def _backup(
    folder: Into,
    installed: options.Installation,
    nats_url: options.NatsUrl,
    nats_ca: options.NatsCa = None,
    output: Form = Output.TABLE,
) -> None:
    """Copy the whole log into a new folder, while everything works.

    The installation's keys are not in it: keep those too. Postgres needs no backup, it is made again from the log.
    """
    site = installation.load(installed)

    async def backup() -> folders.Manifest:
        async with (
            _connected(site, Role.BACKUP, nats_url, nats_ca) as nc,
            _connected(site, Role.SYSTEM, nats_url, nats_ca) as system,
        ):
            keyring = (installed / "public" / "keyring.json").read_bytes()
            return await make.backup(nc, system, site.accounts, keyring, folder, on_stream=_told)

    try:
        manifest = asyncio.run(backup())
    except OSError as error:
        raise exits.failed(f"{folder} cannot be written: {error}") from error
    out = Show(output)
    if out.is_table:
        out.line(f"{folder}: the log as it was at {manifest.at}")
    else:
        out.data({"folder": str(folder), "at": manifest.at, "streams": _streams(manifest)})


def _restore(
    folder: From,
    installed: options.Installation,
    nats_url: options.NatsUrl,
    nats_ca: options.NatsCa = None,
    output: Form = Output.TABLE,
) -> None:
    """Bring a backup into a broker that has no log. Operator and gateways must be stopped.

    Every run that was open in it is then held until a person lets it go: what it did after the backup is not known.
    """
    site = installation.load(installed)

    async def restore() -> restoring.Report:
        async with (
            _connected(site, Role.BACKUP, nats_url, nats_ca) as nc,
            _connected(site, Role.SYSTEM, nats_url, nats_ca) as system,
            _connected(site, Role.OPERATOR, nats_url, nats_ca) as operator,
        ):
            to = restoring.Connections(backup=nc, system=system, operator=operator)
            signer, now = site.signer(Role.OPERATOR), clock.now()
            return await restoring.restore(
                to, site.accounts, signer, site.keyring, folder, now, on_stream=_told
            )

    try:
        report = asyncio.run(restore())
    except OSError as error:
        raise exits.failed(f"{folder} cannot be read: {error}") from error
    out = Show(output)
    if out.is_table:
        out.line(f"the log is as it was at {report.manifest.at}; {report.held} open runs wait for a person")
        show.note("start the operator and the gateways; docs/operations.md says how each run is let go")
    else:
        out.data(
            {
                "at": report.manifest.at,
                "restoredAt": report.at,
                "held": report.held,
                "over": report.ended,
                "streams": _streams(report.manifest),
            }
        )


@contextlib.asynccontextmanager
async def _connected(
    site: Installation, role: Role, url: str, authority: Path | None
) -> AsyncIterator[Client]:
    file = site.credentials_file(role)
    if not file.is_file():
        raise errors.SettingsError(
            f"--installation: {file} is missing; `keelstep keys renew {site.folder} {role.value}` makes it"
        )
    nc = await connection.connect(
        url, file, "backup", inbox_prefix=identities.inbox(role), tls_ca=authority, within_seconds=5
    )
    try:
        yield nc
    finally:
        await nc.close()


def _told(stream: folders.Stream) -> None:
    show.note(f"{stream.name}: {stream.messages} messages, the last is {stream.last}")


def _streams(manifest: folders.Manifest) -> list[dict[str, str | int]]:
    return [{"name": each.name, "messages": each.messages, "last": each.last} for each in manifest.streams]
