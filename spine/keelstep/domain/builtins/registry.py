"""Which builtins are there? All of them, each once."""

from collections.abc import Mapping

from keelstep.domain.builtins import arithmetic, dates, paging, selection
from keelstep.domain.builtins.function import Function
from keelstep.kinds.transport import BuiltinFunction

FUNCTIONS: Mapping[BuiltinFunction, Function] = {
    each.name: each
    for each in (*arithmetic.FUNCTIONS, *dates.FUNCTIONS, *selection.FUNCTIONS, *paging.FUNCTIONS)
}
"""By name, in the order in which the page lists them."""
