"""`keelstep doctor`: is everything there that keelstep needs, and what may I do?

Asks only what the person may ask; what they may not see, or what a kubeconfig alone does not show, is said so and is no
failure.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from keelstep.cli import exits, options
from keelstep.cli.doctor import broker, certificates, check, cluster, database, preinstall
from keelstep.cli.doctor.check import Check
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "doctor", example="keelstep doctor -n refunds")(_doctor)


async def _doctor(
    session: Session,
    nats_url: Annotated[
        str | None,
        typer.Option("--nats-url", envvar="KEELSTEP_NATS_URL", help="Check the broker too.", metavar="URL"),
    ] = None,
    nats_creds: Annotated[
        Path | None,
        typer.Option(
            "--nats-creds",
            envvar="KEELSTEP_NATS_CREDENTIALS",
            help="Credentials of the identity reader.",
            metavar="FILE",
        ),
    ] = None,
    nats_system_creds: Annotated[
        Path | None,
        typer.Option(
            "--nats-system-creds",
            envvar="KEELSTEP_NATS_SYSTEM_CREDENTIALS",
            help="Check the broker's disk too: credentials of the system account.",
            metavar="FILE",
        ),
    ] = None,
    nats_ca: options.NatsCa = None,
    before_install: Annotated[
        bool,
        typer.Option("--before-install", help="Check whether keelstep can be installed, and nothing else."),
    ] = False,
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", envvar="KEELSTEP_POSTGRES_DSN", help="Check the database too.", metavar="DSN"),
    ] = None,
    shard: options.Shard = 0,
    output: options.Output = Output.TABLE,
) -> None:
    """Check the installation and your rights, one line each; before one, whether there can be one.

    Exit 1 where something is missing; what you may not see is said so and is no failure.
    """
    checks: list[Check] = []
    async for found in preinstall.look(session) if before_install else cluster.look(session):
        checks.append(found)
        if found.name == "cluster" and found.result == "fail" and found.finding.startswith("not reached"):
            raise exits.unavailable(found.finding)
    if not before_install:
        checks += [each async for each in cluster.rights(session)]
        checks += [each async for each in _broker(nats_url, nats_creds, nats_system_creds, nats_ca, shard)]
        checks += [each async for each in _database(dsn, shard)]
        checks += [each async for each in certificates.look(session, nats_url, nats_ca)]
    if session.show.is_table:
        session.show.table(
            ("CHECK", "RESULT", "FINDING"),
            [[each.name, each.result, _told(each)] for each in checks],
            fold="FINDING",
        )
    else:
        session.show.data(
            [
                {"check": each.name, "result": each.result, "finding": each.finding, "fix": each.fix}
                for each in checks
            ]
        )
    if any(each.result == "fail" for each in checks):
        raise exits.failed()


async def _broker(
    url: str | None, creds: Path | None, system: Path | None, authority: Path | None, shard: int
) -> AsyncIterator[Check]:
    if url is None:
        told = "not checked: a kubeconfig does not lead there"
        yield check.warn("broker", told, "give --nats-url and --nats-creds")
        return
    async for each in broker.look(url, creds, system, authority, shard):
        yield each


async def _database(dsn: str | None, shard: int) -> AsyncIterator[Check]:
    if dsn is None:
        yield check.warn("database", "not checked: a kubeconfig does not lead there", "give --dsn")
        return
    async for each in database.look(dsn, shard):
        yield each


def _told(found: Check) -> str:
    return f"{found.finding}; {found.fix}" if found.fix else found.finding
