"""Which models does a local gateway know? A person's own, from a folder of theirs, before the example's scripted one.

The folder holds `providers.yaml` (where a model is, and the file of its key) and `prices.yaml` (what its tokens cost), as
any gateway reads them. Must not start or stop anything.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import files
from keelstep import errors
from keelstep_gateway import prices, providers

PROVIDERS, PRICES = "providers.yaml", "prices.yaml"
_WILD = frozenset("*?[")


class ModelsError(Exception):
    """A folder of models cannot be used; the message names the file and the fix."""


def check(folder: Path) -> list[str]:
    """The names of the models that a folder prices.

    Raises:
        ModelsError: a file is missing, cannot be read, or the two do not fit.
    """
    lacking = [name for name in (PROVIDERS, PRICES) if not (folder / name).is_file()]
    if lacking:
        raise ModelsError(
            f"{folder}: there is no {' and no '.join(lacking)}; examples/first-agent shows what they hold"
        )
    try:
        known, priced = providers.load(folder / PROVIDERS), prices.load(folder / PRICES)
    except errors.SettingsError as error:
        raise ModelsError(" ".join(error.message.split())) from error
    patterns = [entry.match for entry in known.entries]
    for name in priced.models:
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            raise ModelsError(
                f"{folder / PRICES}: {name} has a price, and no provider in {PROVIDERS} matches it"
            )
    for pattern in patterns:
        if not _WILD & set(pattern) and pattern not in priced.models:
            raise ModelsError(
                f"{folder / PROVIDERS}: {pattern} has no price in {PRICES}; no call would be made"
            )
    return list(priced.models)


def keep(folder: Path, kept: Path) -> None:
    """Take a folder's files along, so that they are found after it has gone; paths of keys become absolute."""
    own = _read(folder / PROVIDERS)
    for entry in own["models"]:
        if entry.get("apiKeyFile"):
            entry["apiKeyFile"] = str((folder / entry["apiKeyFile"]).expanduser().resolve())
    files.write(kept / PROVIDERS, yaml.safe_dump(own, sort_keys=False))
    files.write(kept / PRICES, (folder / PRICES).read_text())


def write(into: Path, kept: Path, example: Path, model_url: str) -> None:
    """Write both files of a gateway: what was kept, if anything, before the example's, for the first match counts."""
    known: dict[str, Any] = {"models": [{"match": "openai/*", "baseURL": model_url}]}
    priced = _read(example / PRICES)
    if (kept / PRICES).is_file():
        own = _read(kept / PRICES)
        known["models"] = _read(kept / PROVIDERS)["models"] + known["models"]
        priced = {
            "version": f"{own['version']}+{priced['version']}",
            "models": priced["models"] | own["models"],
        }
    files.write(into / PROVIDERS, yaml.safe_dump(known, sort_keys=False))
    files.write(into / PRICES, yaml.safe_dump(priced, sort_keys=False))


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found
