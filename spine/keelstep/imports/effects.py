"""What may a call do to the world, going by what a document says of it? The worst, unless the document says better.

A document proves nothing: a side effect that is too mild lets an agent act alone, one that is too strict costs a
question. So only what is known to read is ReadOnly, and whatever else is Irreversible until a person says otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keelstep.imports import naming
from keelstep.kinds.contract import SideEffect

_READING = """
check count describe download fetch find get head inspect list lookup preview query read retrieve search show view
"""
_READS = frozenset(_READING.split())
_ACTING = """
abort accept acknowledge activate add apply approve assign attach block book buy cancel charge clear close confirm
connect copy create deactivate decline delete deploy destroy detach disable discard dismiss drain drop enable erase
evict exec execute expire finish flush import install invalidate invite invoke issue kill launch lock login logout
mark merge migrate move notify open order pause pay post proxy publish purge put reboot rebuild reject release reload
remove rename renew replace reset resend restart restore resume retry revoke rollback rotate run save schedule send
set share shutdown sign start stop submit subscribe suspend sync terminate transfer trigger unblock uninstall unlink
unlock unsubscribe update upgrade upload wipe write
"""
_ACTS = frozenset(_ACTING.split())
_LABELS = re.compile(r"[./:]")
_TIERS = {
    SideEffect.READ_ONLY: 0,
    SideEffect.REVERSIBLE: 1,
    SideEffect.VISIBLE: 2,
    SideEffect.IRREVERSIBLE: 3,
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What is proposed, and why."""

    side_effect: SideEffect
    why: str

    @property
    def tier(self) -> int:
        """The lowest tier of the side effect."""
        return _TIERS[self.side_effect]


def of_http(method: str, path: str, name: str, statuses: Sequence[str], siblings: Sequence[str]) -> Effect:
    """Of an HTTP operation; `siblings` are the other methods of its path or of what lies one step below."""
    if method == "GET":
        act = _act(name, path)
        if act:
            return Effect(
                SideEffect.IRREVERSIBLE,
                f"a GET, yet {act!r} is no word for reading; if it only reads: ReadOnly",
            )
        return Effect(SideEffect.READ_ONLY, "GET reads, by the definition of HTTP")
    said = {
        "POST": "a POST may do anything",
        "PUT": "PUT replaces what was there",
        "PATCH": "PATCH changes what was there",
        "DELETE": "DELETE removes what was there",
    }[method]
    hints = []
    if method == "POST" and naming.words(name)[:1] and naming.words(name)[0] in _READS:
        hints.append("its name speaks of reading; if it does nothing else: ReadOnly")
    elif method == "POST" and "201" in statuses and "DELETE" in siblings:
        hints.append("it creates, and there is a DELETE; if nobody sees it in between: Reversible")
    elif method in ("PUT", "PATCH") and "GET" in siblings:
        hints.append("there is a GET; if what was there can be put back: Reversible")
    if "202" in statuses:
        hints.append("202: it may go on after the answer")
    hints = hints or ["the document does not say how to undo it"]
    return Effect(SideEffect.IRREVERSIBLE, "; ".join([said, *hints]))


def of_hints(name: str, hints: Mapping[str, Any]) -> Effect:
    """Of an MCP tool, by its annotations, which are its server's own word."""
    act = _act(name, "")
    if hints.get("readOnlyHint") is True:
        if act:
            return Effect(
                SideEffect.IRREVERSIBLE,
                f"the server says readOnlyHint, yet {act!r} is no word for reading; find out which is true",
            )
        return Effect(
            SideEffect.READ_ONLY, "the server says readOnlyHint: its own word, nobody has checked it"
        )
    if hints.get("destructiveHint") is False and hints.get("openWorldHint") is False:
        return Effect(
            SideEffect.VISIBLE,
            "the server says that it only adds, and only to its own data; if that can be taken back: Reversible",
        )
    if hints.get("destructiveHint") is False:
        return Effect(SideEffect.IRREVERSIBLE, "the server says that it only adds, but to the world outside")
    if hints.get("destructiveHint") is True:
        return Effect(SideEffect.IRREVERSIBLE, "the server says destructiveHint")
    return Effect(SideEffect.IRREVERSIBLE, "the server does not say; without a hint the worst is assumed")


def _act(name: str, path: str) -> str:
    """The word that speaks of doing something, where the name does not begin with one for reading."""
    verbs = [naming.words(label)[0] for label in _LABELS.split(name) if naming.words(label)]
    fixed = [part.lower() for part in path.split("/") if part and "{" not in part]
    acts = [verb for verb in verbs if verb in _ACTS]
    if not acts and not _READS.intersection(verbs):
        acts = [part for part in fixed[-1:] if part in _ACTS]
    return acts[0] if acts else ""
