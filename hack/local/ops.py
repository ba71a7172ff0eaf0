"""What does the second example need beside the platform? Its alerts and its fleet, its manifests, and a look at both.

The gateway runs its runbooks itself. Nothing here waits for an agent.
"""

import json
import urllib.request
from pathlib import Path
from typing import Any

from examples import ops
from examples.ops import render
from hack.local import programs
from hack.local.platform import Platform, answers_http

SCRIPT = Path(ops.__file__).parent / "script.yaml"
"""What the scripted model says in the example's runs."""


def start(platform: Platform) -> None:
    """Start what does not run yet.

    Raises:
        PlatformError: one of them did not start; the message names its log.
    """
    places = platform.places
    platform.start(programs.alerts(places), answers_http(f"{places.alerts_url}/silences"))
    platform.start(programs.fleet(places), answers_http(f"{places.fleet_url}/changes"))


def manifests(platform: Platform) -> Path:
    """The example's manifests, filled in."""
    folder, places = platform.folder / "ops", platform.places
    render.write(folder, places.alerts_url, places.fleet_url, places.token_file.read_text().strip())
    return folder


def silences(platform: Platform) -> list[Any]:
    """Every silence that was made."""
    return _asked(f"{platform.places.alerts_url}/silences")


def changes(platform: Platform) -> list[Any]:
    """Every change of a service, oldest first."""
    return _asked(f"{platform.places.fleet_url}/changes")


def _asked(url: str) -> list[Any]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        [found] = json.load(reply).values()
    return list(found)
