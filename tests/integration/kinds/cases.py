"""Which samples are there? Reads `samples/<kind>.yaml` into cases; a sentence names each.

    base      a valid object
    rules     a CEL rule's message (`says`) with `accepted` and `refused` merge patches, keyed by a sentence;
              `when`: create (default), change or status; `given`: what the object is before; `by`: who changes it
    schema    one refused patch of what a plain schema forbids, and a part of the answer

It must not talk to a server.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.integration.kinds import api

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and what must come of it."""

    kind: str
    sentence: str
    says: str
    """The rule's message, or a part of it."""
    when: Literal["create", "change", "status"] = "create"
    before: api.Object = field(default_factory=dict)
    patch: api.Object = field(default_factory=dict)
    is_accepted: bool
    by: str = ""
    """Who changes it; empty: the operator."""

    @property
    def title(self) -> str:
        """How the test is listed."""
        verb = "accepts" if self.is_accepted else "refuses"
        return f"{self.kind} {self.when} {verb} {self.sentence} [{self.says[:60]}]"


def read_all() -> list[Case]:
    """Every case of every kind."""
    return [case for path in sorted(SAMPLES.glob("*.yaml")) for case in _read(path)]


def _read(path: Path) -> list[Case]:
    text = yaml.safe_load(path.read_text())
    base, kind = text["base"], path.stem
    found = []
    for rule in text["rules"]:
        shared = {key: rule[key] for key in ("when", "by") if key in rule}
        before = api.merge(base, rule.get("given", {}))
        for is_accepted, patches in ((True, rule["accepted"]), (False, rule["refused"])):
            found += [
                Case(
                    kind=kind,
                    sentence=sentence,
                    says=rule["says"],
                    before=before,
                    patch=patch,
                    is_accepted=is_accepted,
                    **shared,
                )
                for sentence, patch in patches.items()
            ]
    found += [_schema_case(kind, base, entry) for entry in text["schema"]]
    return found


def _schema_case(kind: str, base: api.Object, entry: dict[str, Any]) -> Case:
    return Case(
        kind=kind,
        sentence="what the schema forbids",
        says=entry["says"],
        when=entry.get("when", "create"),
        before=base,
        patch=entry["refused"],
        is_accepted=False,
    )
