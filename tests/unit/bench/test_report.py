"""Does a page get a new result in the place of the old one, and nothing else changed?"""

from typing import Any

from hack.bench import report

PAGE = """# What it costs

## Fold

`python -m hack.bench --only fold` · 2026-01-01T00:00:00Z, load average 9.0, others used up to 90 % of 2 cores

| who | what |
|---|---|
| keelstep | old |

- an old note

Words that stay.

## Steps

`python -m hack.bench --only steps --peers` · 2026-01-01T00:00:00Z, load average 9.0, others used up to 9 % of 2 cores

| who | what |
|---|---|
| keelstep | older |

Others that stay.
"""


def _written(name: str, notes: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "command": f"python -m hack.bench --only {name}",
        "taken_at": "2026-02-02T00:00:00Z",
        "machine": {"load_average": [0.5], "cores": 2},
        "noise": {"background_cpu_percent": [1.0]},
        "notes": notes,
        "figures": [
            {
                "subject": "keelstep",
                "measure": "new",
                "unit": "ms",
                "values": {"value": {"min": 1.0, "median": 1.0, "max": 1.0}},
                "ratio": {},
                "repetitions": 1,
                "samples": 1,
                "target": {},
            }
        ],
    }


def test_a_table_and_its_notes_are_renewed_where_they_stand() -> None:
    """The words around it stay, and so does every other table."""
    renewed = report.renew(PAGE, _written("fold", ["a new note"]))
    assert renewed is not None
    assert "| keelstep | old |" not in renewed
    assert "an old note" not in renewed
    assert "2026-02-02" in renewed
    assert (
        renewed.index("## Fold") < renewed.index("- a new note\n\nWords that stay.") < renewed.index("older")
    )


def test_a_table_without_notes_ends_where_it_ends() -> None:
    """What follows is not taken for its notes."""
    renewed = report.renew(PAGE, _written("steps", []))
    assert renewed is not None
    assert "| older |" not in renewed
    assert renewed.endswith("|  |\n\nOthers that stay.\n")
    assert "| keelstep | old |" in renewed


def test_a_page_without_the_table_stays_as_it_is() -> None:
    """A bench whose name another's begins with is another one."""
    assert report.renew(PAGE, _written("step", [])) is None
