"""What did a run answer? Its final output, asked of the views API, and how it reads on one line.

Reads only; where it cannot be had, it says why instead of failing what else was asked.
"""

import json

from keelstep import errors
from keelstep.cli import exits, reading
from keelstep.cli.exits import Exit
from keelstep.cli.session import Session
from keelstep.cli.show import note, one_line
from keelstep.views import resources

MOST_SHOWN = 240
"""Characters of an answer on one line."""


async def of(session: Session, name: str) -> resources.ExecutionLog:
    """The first page of a run's log, which holds its output where there is one.

    Raises:
        exits.Ended: there is no such run, or this cluster has no views API.
        errors.KubeError: it may not be read.
    """
    return await reading.view(session, resources.ExecutionLog, name, limit=1)


async def beside(session: Session, name: str) -> str:
    """A run's output on one line, beside what else is shown of it; empty where there is none or it cannot be had."""
    try:
        output = (await of(session, name)).output
    except errors.ForbiddenError:
        note("the output is not shown: you may not read executionlogs")
        return ""
    except exits.Ended as ended:
        if ended.code is not Exit.NOT_FOUND:
            note(f"the output is not shown: {ended.message}")
        return ""
    return "" if output is None else shortened(output, f"{name} -n {session.namespace}")


def shortened(output: resources.Output, where: str) -> str:
    """An output on one line, and how to see the rest of a long one; `where` is what `keelstep output` is told."""
    line = one_line(told(output))
    if len(line) <= MOST_SHOWN:
        return line
    return f"{one_line(line, MOST_SHOWN)} (keelstep output {where})"


def told(output: resources.Output) -> str:
    """An output as text: of an agent without a schema its words alone, else JSON."""
    if output.missing:
        return f"cannot be shown: {output.missing}"
    if output.text is not None:
        return output.text
    value = output.value
    if isinstance(value, dict) and list(value) == ["text"] and isinstance(value["text"], str):
        return value["text"]
    return json.dumps(value, ensure_ascii=False)
