"""How does the demo's gateway learn of a model of yours? Started again, with your providers and prices beside its own.

`python -m examples.first-agent.gateway`, from the repository's root. On an installation, whoever runs the gateway puts
the same entries into its two files. Must not touch anything but the demo's gateway.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import controlplane, settings
from hack.local import programs
from hack.local.platform import Platform, PlatformError

HERE = Path(__file__).parent
CLUSTER = "demo"


def main(here: Path = HERE) -> int:
    """Restart the demo's gateway; exit status 1 where no demo runs or a file cannot be used."""
    configured = settings.read()
    plane = controlplane.find(configured.clusters / CLUSTER)
    if plane is None:
        print("the demo does not run; start it with `make demo`", file=sys.stderr)
        return 1
    kubectl = configured.clusters / CLUSTER / "bin" / "kubectl"
    demo = Platform(folder=configured.state / CLUSTER, plane=plane, kubectl_binary=kubectl)
    try:
        models = _write(here, demo)
        demo.stop("gateway")
        demo.start_gateway(
            KEELSTEP_PROVIDERS=str(demo.folder / "first-agent" / "providers.yaml"),
            KEELSTEP_PRICE_TABLE=str(demo.folder / "first-agent" / "prices.yaml"),
        )
    except (OSError, yaml.YAMLError, PlatformError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the demo's gateway now knows {', '.join(models)}")
    return 0


def _write(here: Path, demo: Platform) -> list[str]:
    """Ours before the demo's: the first pattern that matches a model counts."""
    folder = demo.folder / "first-agent"
    folder.mkdir(exist_ok=True, mode=0o700)
    providers, prices = (_read((here / name).read_text()) for name in ("providers.yaml", "prices.yaml"))
    theirs = _read(programs.providers(demo.places)), _read((programs.EXAMPLE / "prices.yaml").read_text())
    own = list(prices["models"])
    providers["models"] += theirs[0]["models"]
    prices["models"] = theirs[1]["models"] | prices["models"]
    (folder / "providers.yaml").write_text(yaml.safe_dump(providers))
    (folder / "prices.yaml").write_text(yaml.safe_dump(prices))
    return own


def _read(text: str) -> dict[str, Any]:
    """A file as it stands; what is wrong with it is said by the gateway, which reads it next."""
    found: dict[str, Any] = yaml.safe_load(text)
    return found


if __name__ == "__main__":
    sys.exit(main())
