"""What does a gateway make of its environment? Where contracts may lead, and a sentence about what it cannot use."""

import ipaddress

import pydantic
import pytest

from keelstep.domain import egress
from keelstep_gateway.settings import Settings


def rules(**given: str) -> egress.Rules:
    """The rules of a gateway with these settings."""
    files = dict.fromkeys(("nats_credentials", "signing_key", "keyring", "price_table", "providers"), "x")
    return Settings.model_validate({"nats_url": "nats://x", **files, **given}).egress_rules()


def test_by_default_nothing_inside_may_be_reached_but_a_loopback_that_is_named() -> None:
    """A single machine works as it is; a cluster lists what is meant to be reached."""
    assert rules() == egress.Rules()
    assert rules().may_name_loopback


def test_what_is_allowed_and_what_is_the_clusters_is_read_from_lists() -> None:
    """Networks and names, in any order."""
    found = rules(
        egress_allowed="10.1.0.0/16, *.Tools.example,orders.shop.svc",
        egress_cluster_networks="34.118.224.0/20",
        egress_cluster_domain="corp.internal",
        egress_loopback="refused",
    )
    assert found == egress.Rules(
        cluster=(ipaddress.ip_network("34.118.224.0/20"),),
        cluster_domain="corp.internal",
        allowed_networks=(ipaddress.ip_network("10.1.0.0/16"),),
        allowed_names=("*.tools.example", "orders.shop.svc"),
        may_name_loopback=False,
    )


WRONG = {
    "a network that is none": {"egress_allowed": "10.0.0.0/40"},
    "everything": {"egress_allowed": "*"},
    "a name where only networks count": {"egress_cluster_networks": "corp.internal"},
    "another word about loopback": {"egress_loopback": "yes"},
    "no process at all": {"stdio_processes": "0"},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG.keys())
def test_a_gateway_does_not_start_with(given: dict[str, str]) -> None:
    """The message names what is wrong."""
    with pytest.raises(pydantic.ValidationError):
        rules(**given)
