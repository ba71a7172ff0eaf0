"""Are the generated files what they should be? Writes them, or with `--check` only says which differ.

It touches nothing but the files its generators own.
"""

import argparse
import sys
from pathlib import Path

from hack import dashboards
from hack.generate import builtins, charts, commands, crd, errors, metrics, reasons, reference, structural

ROOT = Path(__file__).resolve().parents[2]
OWNED = (
    "crds/*.yaml",
    "charts/keelstep-crds/templates/*.yaml",
    "charts/keelstep/files/**/*.yaml",
    f"{dashboards.FOLDER}/*.json",
)
"""Files that only we write: one that matches and is not generated any more is stale."""


def render_all() -> dict[str, str]:
    """Every generated file: its path in the repository → its text."""
    return (
        crd.render_all()
        | reference.render_all()
        | reasons.render_all()
        | errors.render_all()
        | builtins.render_all()
        | metrics.render_all()
        | dashboards.render_all()
        | commands.render_all()
        | charts.render_all()
    )


def find_differences(root: Path, wanted: dict[str, str]) -> list[str]:
    """The paths under `root` that are missing, differ or are stale."""
    differing = [path for path, text in wanted.items() if _read(root / path) != text]
    owned = {str(path.relative_to(root)) for pattern in OWNED for path in root.glob(pattern)}
    return sorted({*differing, *(owned - wanted.keys())})


def write(root: Path, wanted: dict[str, str]) -> list[str]:
    """Make the files under `root` what they should be; return the paths that changed."""
    changed = find_differences(root, wanted)
    for path in changed:
        if path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(wanted[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; the exit status is 1 when `--check` finds a difference, 2 when a model is wrong."""
    parser = argparse.ArgumentParser(prog="python -m hack.generate", description="Write the generated files.")
    parser.add_argument(
        "--check", action="store_true", help="only compare; name the files that differ and exit 1"
    )
    options = parser.parse_args(arguments)
    try:
        wanted = render_all()
    except structural.SchemaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.check:
        differing = find_differences(root, wanted)
        for path in differing:
            print(f"{path} is not what the models say; run `python -m hack.generate`", file=sys.stderr)
        return 1 if differing else 0
    for path in write(root, wanted):
        print(f"wrote {path}" if path in wanted else f"removed {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
