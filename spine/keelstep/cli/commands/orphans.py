"""`keelstep orphans`: runs, logs and payloads that nothing in Kubernetes stands for; and how they end.

For whoever runs the installation: it needs its folder and the broker beside a kubeconfig that lists every Execution.
"""

from pathlib import Path
from typing import Annotated

import typer
from nats.aio.client import Client

from keelstep import kube
from keelstep.archive import orphans
from keelstep.archive.orphans import Payloads, Run, Search
from keelstep.cli import options, reading
from keelstep.cli.access import Person
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output, note
from keelstep.events import clock
from keelstep.log import connection, identities, installation
from keelstep.log.identities import Role

_WOULD = {
    "Open": "apply it again to go on, or --end it: cancelled, its name free",
    "Over": "--end it: its name is free",
    "Unnamed": "--end it: finished",
}


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    example = (
        "keelstep orphans --installation installation --nats-url nats://127.0.0.1:4222 --end refunds/refund-7"
    )
    command(app, "orphans", example=example)(_orphans)


async def _orphans(
    session: Session,
    installed: options.Installation,
    nats_url: options.NatsUrl,
    nats_ca: options.NatsCa = None,
    shard: options.Shard = 0,
    end: Annotated[
        list[str] | None,
        typer.Option("--end", help="End this run; may be given several times.", metavar="NAMESPACE/NAME"),
    ] = None,
    delete_payloads: Annotated[
        bool, typer.Option("--delete-payloads", help="Delete payloads that belong to no log.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would be done.")] = False,
    output: options.Output = Output.TABLE,
) -> None:
    """List what the log holds and nothing in Kubernetes stands for.

    A run whose Execution vanished unseen goes on with nothing and ends by nothing: a person decides.
    """
    site = installation.load(installed)
    nc = await _connected(site, Role.ARCHIVIST, nats_url, nats_ca)
    try:
        search = Search(nc=nc, signer=site.signer(Role.OPERATOR), keyring=site.keyring, shard=shard)
        register = await search.register()
        runs = await search.runs(register, await _there(session))
        payloads = await search.payloads()
        chosen = [orphans.named(runs, each) for each in end or []]
        if not end and not delete_payloads:
            _show(session, runs, payloads)
            return
        if yes and chosen:
            operator = await _connected(site, Role.OPERATOR, nats_url, nats_ca)
            try:
                for run in chosen:
                    session.show.line(
                        f"{_called(run)}: {await search.end(operator, run, await _me(session.person))}"
                    )
            finally:
                await operator.close()
        for run in chosen if not yes else ():
            session.show.line(f"{_called(run)} would be ended ({_WOULD[run.kind]}); say --yes to do it")
        if delete_payloads:
            count = sum(each.count for each in payloads)
            if yes:
                session.show.line(f"{await search.delete(payloads)} payloads deleted")
            else:
                session.show.line(f"{count} payloads would be deleted; say --yes to do it")
    finally:
        await nc.close()


async def _there(session: Session) -> list[tuple[str, str]]:
    found = await reading.all_of(session, kube.EXECUTIONS, "")
    return [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found]


async def _me(person: Person) -> str:
    return await person.user()


def _show(session: Session, runs: list[Run], payloads: list[Payloads]) -> None:
    if not session.show.is_table:
        session.show.data(
            {
                "runs": [
                    {
                        "namespace": each.tenant,
                        "name": each.name,
                        "execution": each.xid,
                        "kind": each.kind,
                        "events": each.events,
                        "lastAt": clock.whole(each.last_at),
                    }
                    for each in runs
                ],
                "payloads": [
                    {"namespace": each.tenant, "execution": each.xid, "count": each.count}
                    for each in payloads
                ],
            }
        )
        return
    if runs:
        session.show.table(
            ("NAMESPACE", "NAME", "EXECUTION", "KIND", "EVENTS", "LAST", "WHAT TO DO"),
            [
                (
                    each.tenant,
                    each.name,
                    each.xid,
                    each.kind,
                    each.events,
                    clock.whole(each.last_at),
                    _WOULD[each.kind],
                )
                for each in runs
            ],
            fold="WHAT TO DO",
            spare=("LAST", "EVENTS"),
        )
    if payloads:
        count = sum(each.count for each in payloads)
        session.show.line(
            f"{count} payloads of {len(payloads)} executions belong to no log; --delete-payloads"
        )
    if not runs and not payloads:
        note("no orphans")


def _called(run: Run) -> str:
    return f"{run.tenant}/{run.name}" if run.name else run.xid


async def _connected(site: installation.Installation, role: Role, url: str, authority: Path | None) -> Client:
    return await connection.connect(
        url,
        site.credentials_file(role),
        "orphans",
        inbox_prefix=identities.inbox(role),
        tls_ca=authority,
        within_seconds=5,
    )
