"""The crash matrix: `python -m tests.chaos --seed 7 --sample 60`, or all of it without a sample.

--list                 the cases, one a line, and how many
--only TEXT            cases whose id contains it; given twice, both
--resume               go on where the last run of this seed ended
--report               the table of everything that was played, of all seeds
--record               play every scenario undisturbed and write boundaries.json anew; with --only, those of it
--defects              seed each defect and see whether the checker names it
--controls             the same runs without the defects: nothing may be found
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import cases, matrix, proofs, report, stage
from tests.chaos.cases import Case


def main() -> int:
    """Play what is asked for; 0 where nothing was found."""
    # ended like this, too, it leaves no program behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The crash matrix.")
    parser.add_argument("--seed", type=int, default=1, help="which cases a sample takes (default 1)")
    parser.add_argument("--sample", type=int, help="how many cases; default: all, which takes two days")
    parser.add_argument("--only", action="append", default=[], help="cases whose id contains this")
    parser.add_argument("--list", action="store_true", help="name the cases and play none")
    parser.add_argument("--resume", action="store_true", help="skip what build/chaos already knows")
    parser.add_argument(
        "--report", action="store_true", help="one table of every seed in build/chaos; play none"
    )
    parser.add_argument("--record", action="store_true", help="record which points each scenario passes")
    parser.add_argument("--defects", action="store_true", help="prove the checker by seeded defects")
    parser.add_argument("--controls", action="store_true", help="play the same runs without the defects")
    arguments = parser.parse_args()
    if arguments.report:
        return _report()
    if arguments.defects or arguments.controls:
        if not _named(arguments.only):
            parser.error(f"no defect is of that name; there are {', '.join(proofs.RECIPES)}")
        return _prove(arguments.only, is_seeded=arguments.defects)
    wanted = (
        [case for case in cases.undisturbed() if all(text in case.id for text in arguments.only)]
        if arguments.record
        else cases.chosen(arguments.seed, arguments.sample, arguments.only)
    )
    if not wanted:
        parser.error("no case is of that kind; --list names them all")
    if arguments.list:
        _say("\n".join(case.id for case in wanted))
        _say(f"{len(wanted)} cases")
        return 0
    book = report.Book(arguments.seed, report.FOLDER / f"seed-{arguments.seed}.json")
    if arguments.resume:
        book.load()
    played = _play([case for case in wanted if case.id not in book.results], book)
    if arguments.record:
        found = {result.case.scenario: dict(sorted(result.passed.items())) for result in played}
        kept = dict(cases.recorded()) if arguments.only else {}
        cases.FILE.write_text(json.dumps({**kept, **found}, indent=1) + "\n")
    _say(report.table([book]))
    _say(f"{book.summary()}; {book.path}")
    return 1 if book.failed else 0


def _report() -> int:
    books = report.books()
    _say(report.table(books))
    for book in books:
        _say(f"seed {book.seed}: {book.summary()}")
    return 1 if any(book.failed for book in books) else 0


def _play(wanted: Sequence[Case], book: report.Book) -> list[matrix.Result]:
    played: list[matrix.Result] = []
    with tempfile.TemporaryDirectory(prefix="keelstep-chaos-", ignore_cleanup_errors=True) as folder:
        for number, result in enumerate(matrix.play_all(wanted, Path(folder)), start=1):
            played.append(result)
            book.add(result)
            _say(f"{number}/{len(wanted)} {result.verdict:9} {result.seconds:6.1f} s  {result.case.id}")
            if result.verdict == "failed":
                for finding in result.findings:
                    _say(f"    {finding.name}: {finding.about}")
                _say(f"    again: python -m tests.chaos --only '{result.case.id}'")
    return played


def _named(only: Sequence[str]) -> list[str]:
    return [name for name in proofs.RECIPES if all(part in name for part in only)]


def _prove(only: Sequence[str], *, is_seeded: bool) -> int:
    """Play the recipes of defects; 1 where one did not come out as it should."""
    names = _named(only)
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="keelstep-chaos-", ignore_cleanup_errors=True) as folder,
        stage.running(Path(folder) / "stage") as at,
    ):
        for name in names:
            found = proofs.prove(at, name, is_seeded=is_seeded)
            caught = {each.name for each in found} & proofs.RECIPES[name].caught_by
            is_right = bool(caught) if is_seeded else not found
            wrong += not is_right
            verdict = ("caught" if is_seeded else "clean") if is_right else "WRONG"
            _say(f"{verdict:7} {name}: {', '.join(sorted({each.name for each in found})) or 'nothing found'}")
            if not is_right:
                _say("\n".join(f"    {each.name}: {each.about}" for each in found))
    _say(f"{len(names) - wrong} of {len(names)} as they should be")
    return min(wrong, 1)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
