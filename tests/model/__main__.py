"""How far was it explored, and what did it find? `python -m tests.model [--deep] [--only NAME] [--defects]`."""

import argparse
import sys

from tests.model import explorer, runs


def main() -> int:
    """Explore, print a line for each system or defect; 1 where something is wrong, or is not caught."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.model", description="Explore the protocol's model."
    )
    parser.add_argument("--deep", action="store_true", help="larger bounds: many minutes, several GiB")
    parser.add_argument("--only", choices=sorted(runs.SYSTEMS), help="one system")
    parser.add_argument(
        "--defects", action="store_true", help="the seeded defects, each with its counterexample"
    )
    given = parser.parse_args()
    if given.defects:
        return _defects()
    names = [given.only] if given.only else list(runs.SYSTEMS)
    return max(_explored(name, is_deep=given.deep) for name in names)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _explored(name: str, *, is_deep: bool) -> int:
    try:
        found, _ = runs.run(name, is_deep=is_deep)
    except explorer.TooLargeError as error:
        _say(f"{name:14} {error}")
        return 1
    size = f"{found.states:>9,} states {found.transitions:>10,} transitions, depth {found.depth}"
    _say(f"{name:14} {size}, {found.seconds:.0f} s")
    if found.counterexample is None:
        return 0
    _show(found.counterexample)
    return 1


def _defects() -> int:
    missed = 0
    for defect, system, invariant in runs.CASES:
        found, _ = runs.run(system, defect)
        is_caught = found.counterexample is not None and found.counterexample.broken.invariant == invariant
        missed += not is_caught
        _say(f"\n{defect.value} ({system}, {found.states:,} states): {'caught' if is_caught else 'MISSED'}")
        if found.counterexample is not None:
            _show(found.counterexample)
    return 1 if missed else 0


def _show(counterexample: explorer.Counterexample) -> None:
    _say(f"  {counterexample.broken.invariant}: {counterexample.broken.how}")
    for number, what in enumerate(counterexample.path, start=1):
        _say(f"  {number:>3}. {what}")


if __name__ == "__main__":
    sys.exit(main())
