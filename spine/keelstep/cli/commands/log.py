"""`keelstep log NAME`: what is stored of a run, message by message, as it is?"""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from keelstep.cli import options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Show
from keelstep.views import resources

COLUMNS = ("POSITION", "SEQ", "WRITER", "TYPE", "OUTCOME", "SIGNED", "DIGEST", "AT")
_SPARE = ("AT", "POSITION", "DIGEST", "SIGNED")
_DIGITS = 12


class Form(StrEnum):
    """In which form."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    LINES = "lines"


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "log", example="keelstep log refund-approved -n refunds -o lines")(_log)


async def _log(
    session: Session,
    name: options.Execution,
    output: Annotated[
        Form,
        typer.Option(
            "--output", "-o", help="table, json, yaml, or lines (one JSON object a line).", metavar="FORM"
        ),
    ] = Form.TABLE,
) -> None:
    """Show every stored message of a run.

    Each with its writer, signature and digest; void ones too.
    """
    records: list[resources.Record] = []
    async for page in reading.pages(session, resources.ExecutionLog, name):
        if output is Form.LINES:
            for record in page.records:
                sys.stdout.write(json.dumps(record.wire(), ensure_ascii=False) + "\n")
        else:
            records += page.records
    if output is Form.TABLE:
        Show().table(COLUMNS, [_row(record) for record in records], fold="OUTCOME", spare=_SPARE)
    elif output is not Form.LINES:
        session.show.data([record.wire() for record in records])


def _row(record: resources.Record) -> list[str | int | None]:
    key_id = record.signature.partition(":")[0]
    outcome = f"{record.outcome}: {record.reason}" if record.reason else record.outcome
    about = [record.position, record.seq, record.writer, record.type, outcome]
    return [*about, key_id, record.digest[:_DIGITS], record.at]
