"""What ends the processes of a test run that was itself killed? A shell that outlives it by a moment.

The guardian reads a pipe whose other end only this process holds. A farewell line means that all is
well; end-of-file without it means that this process died, and then the guarded ones are killed.
Must not be used for clusters that a person started with `up`: those outlive their starter.
"""

import subprocess
from collections.abc import Sequence

_SCRIPT = 'read -r farewell || kill -9 "$@" 2>/dev/null'


class Guardian:
    """Watches over processes for as long as this one lives."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "guardian", *map(str, pids)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal must not reach it before this process has cleaned up.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Let the guarded processes be."""
        if self._shell.returncode is None:
            self._shell.communicate(b"farewell\n")
