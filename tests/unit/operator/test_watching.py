"""Is kopf a watcher that nothing ends?"""

import itertools

from keelstep_operator import watch
from keelstep_operator.scopes import Scopes


def test_a_namespace_that_may_not_be_read_is_asked_for_again_without_end() -> None:
    """By default kopf gives up after a minute, and ends the operator for every tenant; ours looks again soon, for ever."""
    backoffs = watch.build_settings().networking.error_backoffs
    first = list(itertools.islice(iter(backoffs), 1_000))  # type: ignore[arg-type]
    assert len(first) == 1_000
    assert max(first) <= 10
    assert not hasattr(backoffs, "__len__"), "kopf would count the attempts"
    assert list(itertools.islice(iter(backoffs), 3)) == first[:3]  # type: ignore[arg-type]


def test_a_namespace_is_unreadable_while_anything_in_it_is_refused() -> None:
    """Kind by kind: what may be read is compared, what may not is not missing."""
    scopes = Scopes()
    scopes.refused("shop", "Pod", "forbidden")
    scopes.refused("shop", "Execution", "forbidden")
    assert (scopes.unreadable, scopes.lacks("shop", "Pod"), scopes.lacks("bank", "Pod")) == (1, True, False)
    scopes.read("shop", "Pod")
    scopes.read("bank", "Pod")
    assert (scopes.unreadable, scopes.lacks("shop", "Pod"), scopes.lacks("shop", "Execution")) == (
        1,
        False,
        True,
    )
    scopes.read("shop", "Execution")
    assert scopes.unreadable == 0
