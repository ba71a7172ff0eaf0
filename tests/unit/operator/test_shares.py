"""Can one tenant fill the broker's list of revoked identities, so that nobody can be killed any more?"""

import pytest

from keelstep_operator.decide import share
from keelstep_operator.tally import Tally

NOW = 1_000


@pytest.mark.parametrize(
    ("held", "total", "is_refused"),
    [
        (0, 0, False),
        (share.SHARE - 1, share.SHARE - 1, False),
        (share.SHARE, share.SHARE, True),
        (share.LITTLE, share.TIGHT - 1, False),
        (share.LITTLE, share.TIGHT, True),
        (share.LITTLE - 1, share.TIGHT, False),
        (0, share.LAST - 1, False),
        (0, share.LAST, True),
    ],
)
def test_a_tenant_begins_runs_within_its_share(held: int, total: int, is_refused: bool) -> None:
    """Half for one alone; where there is little room, those that hold little go first; the last room is for kills."""
    assert bool(share.problem(held, total)) == is_refused


def test_a_refusal_says_how_many_there_are_and_what_helps() -> None:
    """A person can act on it."""
    assert share.problem(share.SHARE, share.SHARE) == (
        "5500 identities of this tenant's runs have not expired, of 5500 that one tenant may have; each counts until its "
        "run's deadline: shorten deadlines, or wait until some have passed"
    )
    assert "10450 identities of runs have not expired, of 11000" in share.problem(3, share.LAST)


def test_an_identity_counts_for_its_tenant_until_it_expires() -> None:
    """Once, however often it is met; nobody else's count changes."""
    tally = Tally()
    tally.note("shop", "U1", NOW + 1)
    tally.note("shop", "U1", NOW + 1)
    tally.note("shop", "U2", NOW + 2)
    tally.note("bank", "U3", NOW + 3)
    assert (tally.held("shop", NOW), tally.held("bank", NOW), tally.total(NOW)) == (2, 1, 3)
    assert (tally.held("shop", NOW + 1), tally.total(NOW + 1)) == (1, 2)
    assert (tally.held("shop", NOW + 2), tally.total(NOW + 3)) == (0, 0)
    assert tally.held("nobody", NOW) == 0


def test_an_identity_that_lasts_longer_than_was_thought_counts_longer() -> None:
    """A run that unwinds after its deadline keeps its identity until that is over."""
    tally = Tally()
    tally.note("shop", "U1", NOW + 1)
    tally.note("shop", "U1", NOW + 5)
    assert tally.held("shop", NOW + 4) == 1
