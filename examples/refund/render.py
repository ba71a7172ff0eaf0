"""Which manifests does a person apply? Those in `manifests/`, with the shop's address and credentials filled in.

`python -m examples.refund.render --shop-url URL --token-file FILE [--output FOLDER]`

Makes the token file if it is missing; the shop reads the same file. Must not talk to a cluster.
"""

import argparse
import os
import pathlib
import secrets
import string
import sys

import yaml

FOLDER = pathlib.Path(__file__).parent
NAMESPACE = "refunds"
TOKEN_KEY = "shop-token"  # the key of the Secret that the contracts name
FILES = ("namespace.yaml", "access.yaml", "contracts.yaml", "strategies.yaml", "executions.yaml")
"""The manifests in the order they are applied; `credentials.yaml` is made here and comes after the namespace."""


def ensure_token(path: pathlib.Path) -> str:
    """The token in this file; the file is made, readable by its owner alone, if there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    token = secrets.token_urlsafe(24)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def render(shop_url: str, token: str) -> dict[str, str]:
    """Every manifest as YAML, by file name, in the order it is applied. `shop_url` has no slash at its end."""
    # safe_substitute: the `$` that ends a regular expression is no placeholder
    manifests = {
        name: string.Template((FOLDER / "manifests" / name).read_text()).safe_substitute(SHOP_URL=shop_url)
        for name in FILES
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keelstep-credentials", "namespace": NAMESPACE},
        "stringData": {TOKEN_KEY: token},
    }
    credentials = {"credentials.yaml": yaml.safe_dump(secret, sort_keys=False)}
    return {FILES[0]: manifests.pop(FILES[0])} | credentials | manifests


def main() -> None:
    """Read the arguments, write the files or print them."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.refund.render", description="Fill in the manifests."
    )
    parser.add_argument(
        "--shop-url", required=True, help="where the shop listens, e.g. http://127.0.0.1:8080"
    )
    parser.add_argument(
        "--token-file", type=pathlib.Path, required=True, help="the shop's token; made if missing"
    )
    parser.add_argument("--output", type=pathlib.Path, help="folder to write to; default: print")
    arguments = parser.parse_args()
    if not arguments.shop_url.startswith(("http://", "https://")):
        sys.exit(f"--shop-url must start with http:// or https://, not {arguments.shop_url!r}")
    try:
        manifests = render(arguments.shop_url.rstrip("/"), ensure_token(arguments.token_file))
        if arguments.output is None:
            print("---\n".join(manifests.values()), end="")
            return
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name, text in manifests.items():
            # the Secret is among them
            descriptor = os.open(arguments.output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
    except OSError as error:
        sys.exit(f"cannot use {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
