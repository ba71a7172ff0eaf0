"""Start and end of the command `keelstep`: its errors are one line each, its exit codes are documented in `exits`.

Never a stack trace for a person's mistake; a fault of ours still shows one.
"""

import importlib
import os
import sys

import typer

from keelstep import errors, logs
from keelstep.cli import exits, show
from keelstep.cli.exits import Exit

HELP = """AI agents as governed Kubernetes resources: run them, look at what they did, decide their gates, stop them.

Needs nothing but a kubeconfig; every command acts with your own rights.

Exit codes: 0 ok · 1 the thing asked about failed · 2 usage · 3 not found · 4 refused · 5 unavailable · 130 Ctrl-C
"""

COMMANDS = {
    "run": "run",
    "status": "status",
    "output": "output",
    "trace": "trace",
    "log": "log",
    "verify": "verify",
    "gate": "gate",
    "kill": "kill",
    "suspend": "lifecycle",
    "resume": "lifecycle",
    "cancel": "lifecycle",
    "dlq": "dlq",
    "contract": "contract",
    "policy": "policy",
    "rebuild": "rebuild",
    "orphans": "orphans",
    "archive": "archive",
    "backup": "backup",
    "restore": "backup",
    "keys": "keys",
    "doctor": "doctor",
    "version": "version",
}
"""Each command's word and its module, in the order of the help."""


def build(typed: str = "") -> typer.Typer:
    """The command line; where a command was typed, with that one alone: the libraries of all take twice as long."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    if typed in COMMANDS:
        app.callback()(_root)  # else a command alone would be the whole line
    wanted = [COMMANDS[typed]] if typed in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in wanted:
        importlib.import_module(f"keelstep.cli.commands.{module}").add(app)
    return app


def _root() -> None:
    pass


def main() -> None:
    """Run one command and exit."""
    logs.configure("cli", "CRITICAL")  # what goes wrong is said in one line, not logged
    name = os.path.basename(sys.argv[0])
    program = "kubectl keelstep" if name.startswith("kubectl-") else "keelstep"
    sys.exit(_run(program))


def _run(program: str) -> int:
    try:
        app = build(next(iter(sys.argv[1:]), ""))
        code = app(prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else Exit.OK
    except exits.Ended as ended:
        if ended.message:
            show.complain(ended.message)
        return ended.code
    except errors.KeelstepError as error:
        meant = exits.of(error)
        show.complain(meant.message)
        return meant.code
    except typer.TyperException as error:
        message = error.format_message().replace("Value error, ", "")
        if type(error).__name__ == "NoArgsIsHelpError":
            # the message is the help itself
            sys.stderr.write(f"{message}\n")
        else:
            show.complain(f"{message.rstrip('.?')}; see {_help(error, program)}")
        return Exit.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # whoever read us has enough, e.g. `head`: the libraries below exit then; the interpreter must not flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _help(error: typer.TyperException, program: str) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else program} --help"


if __name__ == "__main__":
    main()
