"""What ends an MCP server's command when the gateway is gone, however it went? This small program, its parent.

    leash.py LIFELINE COMMAND…

It leads a process group of its own, runs the command in it, and kills the whole group once the command has ended or
the other end of the lifeline is closed: the gateway holds that end, and the kernel closes it with the gateway. It runs
by itself, with nothing but the standard library, and never reads what the command says.
"""

import os
import select
import signal
import subprocess
import sys


def main(lifeline: int, command: list[str]) -> None:
    """Run a command until it ends or nobody holds the lifeline any more."""
    # a handler is not inherited, as ignoring would be: the command gets the signal, the leash outlives it
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603 the gateway has checked the command
    except (OSError, ValueError):
        sys.exit(127)
    for inherited in (0, 1):
        os.close(inherited)  # the command's end of the pipes is the only one left, so its death is seen
    try:
        select.select([lifeline, os.pidfd_open(child.pid)], [], [])
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
