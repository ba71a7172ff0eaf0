"""What the driver says, in our words."""

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest

from keelstep import errors
from keelstep.store import postgres

PASSING = {
    "a connection that is gone": asyncpg.InterfaceError("connection is closed"),
    "a query in the moment in which the server says goodbye": asyncpg.InternalClientError(
        "cannot switch to state 15; another operation (2) is in progress"
    ),
    "a server that is shutting down": asyncpg.AdminShutdownError("terminating connection"),
}


@pytest.mark.parametrize("sentence", PASSING)
def test_what_passes_by_itself_is_waited_for(sentence: str) -> None:
    """A restart of Postgres ends no projector, whenever it comes."""
    with pytest.raises(errors.Waiting) as caught, postgres.translated():
        raise PASSING[sentence]
    assert caught.value.reason == "PostgresUnavailable"
