"""`keelstep rebuild views`: drop the views in Postgres and make them again from the log.

The one command for whoever runs the installation: it needs the broker and the database, not a kubeconfig.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from keelstep import errors
from keelstep.cli import exits, options, show
from keelstep.cli.show import Output, Show
from keelstep.events.signing import Keyring
from keelstep.log import connection, identities
from keelstep.log.identities import Role

if TYPE_CHECKING:
    from keelstep.store import rebuild

NatsCreds = Annotated[Path, options.nats_creds("projector")]
AcceptNewStream = Annotated[
    bool,
    typer.Option(
        "--accept-new-stream",
        help="Go on although the stream is not the one the tables came from: what only they hold is lost.",
    ),
]
ForgetArchived = Annotated[
    bool,
    typer.Option(
        "--forget-archived",
        help="Go on although archived runs lose their rows until `keelstep archive restore` puts them back.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted rebuild was; nothing is emptied."),
]


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    group = typer.Typer(help="Make views again from the log.", no_args_is_help=True, rich_markup_mode=None)
    example = (
        "keelstep rebuild views --dsn postgresql://… --nats-url nats://… --nats-creds FILE --keyring FILE"
    )

    @group.callback()
    def one_of_several() -> None:
        """Keep `views` a command of its own although it is the only one."""

    one_of_several.__doc__ = None
    group.command("views", epilog=f"Example: {example}")(_views)
    app.add_typer(group, name="rebuild")


def _views(
    nats_url: options.NatsUrl,
    nats_creds: NatsCreds,
    keyring: options.KeyringFile,
    dsn: options.Dsn,
    nats_ca: options.NatsCa = None,
    shard: options.Shard = 0,
    accept_new_stream: AcceptNewStream = False,
    forget_archived: ForgetArchived = False,
    resume: Resume = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="table, json or yaml.", metavar="FORM")
    ] = Output.TABLE,
) -> None:
    """Make the tables of traces and executions again.

    A shard's tables are emptied and filled anew from the stream; readers see them fill.
    """
    keys = _keyring(keyring)
    if not nats_creds.is_file():
        raise exits.usage(f"--nats-creds: {nats_creds} is no file")
    progress = _Progress()
    choices = _Choices(accept_new_stream=accept_new_stream, forget_archived=forget_archived, resume=resume)
    ask = _rebuild(nats_url, nats_creds, nats_ca, keys, dsn, shard, choices, progress)
    try:
        done = uvloop.run(ask)
    except KeyboardInterrupt:
        if progress.position:
            show.note(f"{progress.text()} are in the tables; the projector, or --resume, goes on from there")
        raise
    out = Show(output)
    if out.is_table:
        out.line(f"views of shard {shard} rebuilt up to message {done.position}")
    else:
        out.data({"shard": shard, "position": done.position, "goal": done.goal})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    """What a person knows and wants nevertheless."""

    accept_new_stream: bool
    forget_archived: bool
    resume: bool


class _Progress:
    """Tells how far it is, each tenth of the way."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0
        self._first: int | None = None
        self.position = 0
        self.goal = 0

    def text(self) -> str:
        """How far it is."""
        return f"{self.position} of {self.goal} messages"

    def at(self, position: int, goal: int) -> None:
        """It is so far."""
        self.position, self.goal = position, goal
        tenths = 10 * position // goal if goal else 10
        if self._first is None:
            self._first, self._told = position, tenths
            if position:
                show.note(self.text())
        elif tenths > self._told:
            self._told = tenths
            rate = (position - self._first) / (time.monotonic() - self._began)
            show.note(f"{self.text()}, {round(rate)} a second")


async def _rebuild(
    url: str,
    creds: Path,
    authority: Path | None,
    keys: Keyring,
    dsn: str,
    shard: int,
    choices: _Choices,
    progress: _Progress,
) -> "rebuild.Report":
    try:
        from keelstep.store import rebuild  # the driver of Postgres is no part of the extra `cli`
    except ModuleNotFoundError as error:
        raise exits.usage(f"{error.name} is missing: install keelstep[views]") from error
    nc = await connection.connect(
        url,
        creds,
        "rebuild",
        inbox_prefix=identities.inbox(Role.PROJECTOR),
        tls_ca=authority,
        within_seconds=5,
    )
    try:
        return await rebuild.rebuild(
            nc,
            dsn,
            keys,
            shard,
            accept_new_stream=choices.accept_new_stream,
            resume=choices.resume,
            forget_archived=choices.forget_archived,
            on_report=lambda at: progress.at(at.position, at.goal),
        )
    except errors.Stalled as error:
        raise exits.failed(error.message) from error
    finally:
        await nc.close()


def _keyring(file: Path) -> Keyring:
    try:
        return Keyring.parse(file.read_bytes())
    except (OSError, ValueError) as error:
        raise exits.usage(f"--keyring: {file} cannot be used: {error}") from error
