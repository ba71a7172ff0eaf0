"""Which servers are meant by the setting that names them?"""

import pytest

from keelstep import errors
from keelstep.log import connection

MEANT = {
    "one": ("nats://a:4222", ["nats://a:4222"]),
    "several, with room between them": (
        "nats://a:4222, nats://b:4222,nats://c:4222",
        ["nats://a:4222", "nats://b:4222", "nats://c:4222"],
    ),
    "the usual port": ("tls://a", ["tls://a"]),
    "a comma too many": ("nats://a:4222,", ["nats://a:4222"]),
}
MISTAKEN = {
    "nothing": ("", "there is no address"),
    "only commas": (" , ,", "there is no address"),
    "no scheme": ("a:4222", "a:4222 is no address"),
    "another protocol": ("http://a:4222", "http://a:4222 is no address"),
    "no host": ("nats://:4222", "nats://:4222 is no address"),
    "a port that is none": ("nats://a:port", "nats://a:port is no address"),
    "a port out of range": ("nats://a:70000", "nats://a:70000 is no address"),
    "the second of two": ("nats://a:4222,b", "b is no address"),
}


@pytest.mark.parametrize("case", MEANT.values(), ids=MEANT.keys())
def test_servers_are_separated_by_commas(case: tuple[str, list[str]]) -> None:
    """One setting names one server or every server of a cluster."""
    given, meant = case
    assert connection.servers(given) == meant


@pytest.mark.parametrize("case", MISTAKEN.values(), ids=MISTAKEN.keys())
def test_what_names_no_server_is_refused_with_what_to_write(case: tuple[str, str]) -> None:
    """Before any connection is tried, and not by an endless search for a server of that name."""
    given, said = case
    with pytest.raises(errors.SettingsError, match=said):
        connection.servers(given)
