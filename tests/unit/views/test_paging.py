"""Do pages fit together?"""

import pytest

from keelstep.views import paging, refusals, server
from keelstep.views.paging import Token
from keelstep.views.source import Name


@pytest.mark.parametrize("place", range(5))
def test_a_list_goes_on_where_it_was(place: int) -> None:
    """Whatever the names, the rest after one is what comes after it in the list's own order."""
    names = sorted(
        Name(tenant, name)
        for tenant, name in (("a", "x"), ("a-b", "a"), ("a", "x.y"), ("a", "x-y"), ("b", "a"))
    )
    assert list(server.rest(names, str(names[place]))) == names[place + 1 :]
    assert list(server.rest(names, "")) == names


def test_a_token_comes_back_as_it_went() -> None:
    """What the client carries is what was shown last."""
    token = Token(of="x1", after=17)
    assert paging.token({"continue": token.text()}, "x1") == token


def test_without_a_token_it_begins_at_the_beginning() -> None:
    """No token, or an empty one, is the first page."""
    assert paging.token({}, "x1") == paging.token({"continue": ""}, "x1") == Token(of="x1")


@pytest.mark.parametrize("text", ["nonsense", "%%%", "e30", "eyJvZiI6MX0", "\u00e4"])
def test_a_token_of_somebody_elses_making_is_a_bad_request(text: str) -> None:
    """It is refused with a sentence, never with a fault."""
    with pytest.raises(refusals.Refusal, match="begin again") as caught:
        paging.token({"continue": text}, "x1")
    assert caught.value.code == 400


def test_a_token_of_another_log_has_expired() -> None:
    """A name that was released and bound again is another log: its pages do not continue the first one's."""
    with pytest.raises(refusals.Refusal) as caught:
        paging.token({"continue": Token(of="x1", after=3).text()}, "x2")
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


@pytest.mark.parametrize(("text", "limit"), [("", 50), ("0", 50), ("7", 7), ("50", 50), ("99999999999", 50)])
def test_a_page_has_at_most_what_it_may_hold(text: str, limit: int) -> None:
    """None, zero and more than a page may hold all mean a full page."""
    assert paging.limit({"limit": text}, 50) == limit


@pytest.mark.parametrize("text", ["-1", "ten", "1.5", "٣"])
def test_a_limit_is_a_number(text: str) -> None:
    """Anything else is a bad request that names the field."""
    with pytest.raises(refusals.Refusal, match="limit: expected a number"):
        paging.limit({"limit": text}, 50)
