"""How does a fold change a state that nobody may change? On a private copy, frozen again before anybody sees it.

A state is a value: everyone may keep one, and it stays what it was. Making a new one for every event of a long log costs
more than all the checks together, so a fold works on one copy of its own and its maps' transient forms (`Map.mutate`),
which it alone holds:

    state ─► of ─► draft ─► put, count, drop, change ─► frozen ─► state

The type is the same, because what may be asked of a state may be asked of a draft. A draft must never leave the function
that made it.
"""

import operator
from typing import Any

import immutables
from msgspec import structs

from keelstep.domain.state import State

_Map: Any = immutables.Map
_EMPTY = State(xid="", tenant="")
_MAPS = tuple(name for name in State.__struct_fields__ if isinstance(getattr(_EMPTY, name), immutables.Map))
"""The fields whose transient forms a draft may hold."""
_maps = operator.attrgetter(*_MAPS)

change = structs.force_setattr
"""`change(draft, name, value)`: set one field."""


def of(state: State) -> State:
    """A copy to work on."""
    return structs.replace(state)


def put(draft: State, name: str, key: Any, value: Any) -> None:
    """Set one entry of one of its maps."""
    found = getattr(draft, name)
    if type(found) is _Map:
        found = found.mutate()
        change(draft, name, found)
    found[key] = value


def count(draft: State, name: str, key: Any) -> None:
    """One more of this in one of its maps of numbers."""
    found = getattr(draft, name)
    if type(found) is _Map:
        found = found.mutate()
        change(draft, name, found)
    found[key] = found.get(key, 0) + 1


def drop(draft: State, name: str, key: Any) -> None:
    """Delete one entry of one of its maps; it is there."""
    found = getattr(draft, name)
    if type(found) is _Map:
        found = found.mutate()
        change(draft, name, found)
    del found[key]


def frozen(draft: State) -> State:
    """The state that the draft has become. The draft is used up."""
    for name, found in zip(_MAPS, _maps(draft), strict=True):
        if type(found) is not _Map:
            change(draft, name, found.finish())
    return draft
