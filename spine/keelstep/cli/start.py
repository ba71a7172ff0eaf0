"""How does the command begin? By loading all the rest: Ctrl-C meanwhile ends it like Ctrl-C later, without a stack trace."""

import sys

INTERRUPTED = 130
"""As `exits.Exit.INTERRUPTED`, which is not loaded yet."""


def main() -> None:
    """Run one command and exit."""
    try:
        from keelstep.cli import main as command
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    command.main()
