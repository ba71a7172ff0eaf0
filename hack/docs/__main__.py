"""Build the site: `python -m hack.docs`. It lies in build/docs/site, every link of it followed.

It writes nothing outside build/docs.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from hack.docs import errors, links, navigation, stage

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).parent / "site.yml"
STYLE = Path(__file__).parent / "site.css"


def build(root: Path, target: Path) -> int:
    """Stage, build strictly and follow every link; how many there are.

    Raises:
        DocsError: what is wrong, a line for each.
    """
    target.mkdir(parents=True, exist_ok=True)
    staged = stage.stage(root, target / "pages")
    shutil.copy(STYLE, target / "pages")
    site = navigation.complete(CONFIGURATION, target / "pages", staged)
    (target / "mkdocs.yml").write_text(yaml.safe_dump(site, sort_keys=False))
    shutil.rmtree(target / "site", ignore_errors=True)
    _generate(target)
    return links.check(target / "site")


def _generate(target: Path) -> None:
    program = Path(sys.executable).with_name("zensical")
    if not program.exists():
        raise errors.BuildError(
            "the site generator is missing: pip install --require-hashes -r requirements/docs.txt"
        )
    command = [str(program), "build", "--clean", "--strict", "--config-file", str(target / "mkdocs.yml")]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.BuildError(f"{done.stdout}{done.stderr}".strip())


def main() -> int:
    """Run the command line; 1 where something is wrong with the pages."""
    argparse.ArgumentParser(prog="python -m hack.docs", description=__doc__).parse_args()
    target = ROOT / "build" / "docs"
    try:
        count = build(ROOT, target)
    except errors.DocsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target / 'site' / 'index.html'}: {count} links, all of them lead somewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
