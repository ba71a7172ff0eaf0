"""Which manifests does a person apply? Those in `manifests/`, with addresses, a command and credentials filled in.

`python -m examples.ops.render --alerts-url URL --fleet-url URL --token-file FILE --output FOLDER`

Makes the token file if it is missing; the fleet reads the same file. Writes `commands.yaml` too, which is the gateway's
list of commands that contracts may run (`KEELSTEP_STDIO_COMMANDS`). Must not talk to a cluster.
"""

import argparse
import pathlib
import string
import sys

import yaml

from examples.refund.render import ensure_token

FOLDER = pathlib.Path(__file__).parent
NAMESPACE = "ops"
FILES = ("tenant.yaml", "contracts.yaml", "agent.yaml", "executions.yaml")
"""The manifests in the order they are applied; `credentials.yaml` is made here and comes after the tenant."""
_PYTHON = pathlib.Path(sys.executable)
COMMAND = (str(_PYTHON.parent.resolve() / _PYTHON.name), str(FOLDER.resolve() / "runbooks.py"))
"""How the gateway runs the runbooks: absolute, for it runs it where it likes, and the same by whichever link it is found."""


def commands() -> str:
    """The file that lets the gateway run the runbooks, and nothing else."""
    return yaml.safe_dump({"commands": [{"command": list(COMMAND)}]})


def render(alerts_url: str, fleet_url: str, token: str) -> dict[str, str]:
    """Every manifest as YAML, by file name. Addresses have no slash at their end."""
    python, runbooks = COMMAND
    values = {"ALERTS_URL": alerts_url, "FLEET_URL": fleet_url, "PYTHON": python, "RUNBOOKS": runbooks}
    # safe_substitute: the `$` that ends a regular expression is no placeholder
    found = {
        name: string.Template((FOLDER / "manifests" / name).read_text()).safe_substitute(values)
        for name in FILES
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keelstep-credentials", "namespace": NAMESPACE},
        "stringData": {"fleet-token": token},
    }
    return found | {"credentials.yaml": yaml.safe_dump(secret, sort_keys=False)}


def write(folder: pathlib.Path, alerts_url: str, fleet_url: str, token: str) -> None:
    """Write the manifests and the list of commands into a folder, for its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in {**render(alerts_url, fleet_url, token), "commands.yaml": commands()}.items():
        (folder / name).touch(mode=0o600)  # the Secret is among them
        (folder / name).write_text(text)


def main() -> None:
    """Read the arguments and write the files."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.ops.render", description="Fill in the manifests."
    )
    parser.add_argument("--alerts-url", default="http://127.0.0.1:8811")
    parser.add_argument("--fleet-url", default="http://127.0.0.1:8812")
    parser.add_argument("--token-file", type=pathlib.Path, required=True, help="made if missing")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the folder to write to")
    arguments = parser.parse_args()
    try:
        token = ensure_token(arguments.token_file)
        write(arguments.output, arguments.alerts_url.rstrip("/"), arguments.fleet_url.rstrip("/"), token)
    except OSError as error:
        sys.exit(f"cannot use {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
