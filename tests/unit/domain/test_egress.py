"""Where may a contract lead? Hosts in one form only, and no way inside by any other name for it."""

import ipaddress

import pytest

from keelstep.domain import egress

ALLOWING = egress.networks(
    ["10.1.0.0/16", "fd12::/16", "169.254.0.0/16", "orders.shop.svc", "*.tools.example"]
)
RULES = egress.Rules(
    cluster=(ipaddress.ip_network("34.118.224.0/20"),),
    allowed_networks=ALLOWING[0],
    allowed_names=ALLOWING[1],
)


def problem(url: str, rules: egress.Rules = RULES) -> str:
    """Why an address may not be asked."""
    return rules.host_problem(egress.target(url))


TARGETS = {
    "a name": ("https://Shop.Example/orders", ("https", "shop.example", 443)),
    "a name with a trailing dot": ("http://shop.example./", ("http", "shop.example", 80)),
    "a port": ("http://shop.example:8080?x", ("http", "shop.example", 8080)),
    "a name in punycode": ("http://xn--mnchen-3ya.example/", ("http", "xn--mnchen-3ya.example", 80)),
    "an IPv4 address": ("http://8.8.8.8/", ("http", "8.8.8.8", 80)),
    "an IPv6 address in another form": ("http://[2001:4860:0:0::8888]:81/", ("http", "2001:4860::8888", 81)),
    "a path beyond ASCII": ("http://shop.example/ü", ("http", "shop.example", 80)),
}


@pytest.mark.parametrize(("url", "origin"), TARGETS.values(), ids=TARGETS.keys())
def test_an_address_names_a_host_by(url: str, origin: tuple[str, str, int]) -> None:
    """Scheme, host and port, each in one form."""
    assert egress.target(url).origin == origin


NO_HOSTS = {
    "one decimal number": "http://2130706433/",
    "octal numbers": "http://0177.0.0.1/",
    "a hexadecimal number": "http://0x7f000001/",
    "a part in hexadecimal": "http://127.0.0.0x1/",
    "too few numbers": "http://127.1/",
    "too many numbers": "http://1.2.3.4.5/",
    "a name that ends in a number": "http://shop.1/",
    "full-width digits": "http://１２７.0.0.1/",
    "letters beyond ASCII": "http://münchen.example/",
    "another full stop": "http://shop。example/",
    "a user": "http://shop.example@127.0.0.1/",
    "a user and a password": "http://a:b@shop.example/",
    "a backslash": "http://shop.example\\@127.0.0.1/",
    "a tab": "http://shop.exa\tmple/",
    "a percent sign": "http://127.0.0.1%2f.example/",
    "an empty label": "http://shop..example/",
    "two trailing dots": "http://shop.example../",
    "no host": "http:///orders",
    "an IPv6 address without its end": "http://[::1/",
    "an IPv6 address with a zone": "http://[fe80::1%eth0]/",
    "something behind an IPv6 address": "http://[::1]x:80/",
    "port 0": "http://shop.example:0/",
    "a port too high": "http://shop.example:65536/",
    "another scheme": "ftp://shop.example/",
    "a label too long": f"http://{'a' * 64}.example/",
    "a name too long": f"http://{'a.' * 127}example/",
}


@pytest.mark.parametrize("url", NO_HOSTS.values(), ids=NO_HOSTS.keys())
def test_is_no_address(url: str) -> None:
    """What one program may read otherwise than another."""
    with pytest.raises(egress.AddressError):
        egress.target(url)


INSIDE = {
    "a private address": "http://10.0.0.1/",
    "another private address": "http://192.168.1.1/",
    "a carrier's private address": "http://100.64.0.1/",
    "an address of the cluster that is public": "http://34.118.225.1/",
    "a unique local address": "http://[fd00::1]/",
    "a site-local address": "http://[fec0::1]/",
    "a link-local address": "http://[fe80::1]/",
    "a link-local address, although allowed": "http://169.254.1.1/",
    "the metadata address, although allowed": "http://169.254.169.254/",
    "the metadata address inside an IPv6 address": "http://[::ffff:169.254.169.254]/",
    "the metadata address through a translator": "http://[64:ff9b::a9fe:a9fe]/",
    "a metadata address of IPv6": "http://[fd00:ec2::254]/",
    "a metadata address among public ones": "http://168.63.129.16/",
    "a private address through 6to4": "http://[2002:a00:1::]/",
    "an address in a tunnel": "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "this network": "http://0.0.0.0/",
    "this network, another address": "http://0.1.2.3/",
    "no address": "http://[::]/",
    "a multicast address": "http://224.0.0.1/",
    "a reserved address": "http://240.0.0.1/",
    "everybody": "http://255.255.255.255/",
    "a service": "http://kubernetes.default.svc/",
    "a service by its whole name": "http://kubernetes.default.svc.cluster.local/",
    "a service by its whole name with a dot": "http://Kubernetes.default.svc.CLUSTER.local./",
}


@pytest.mark.parametrize("url", INSIDE.values(), ids=INSIDE.keys())
def test_nobody_is_led_to(url: str) -> None:
    """The name says why."""
    assert problem(url)


OUTSIDE = {
    "a public address": "http://8.8.8.8/",
    "a public address of IPv6": "http://[2001:4860::8888]/",
    "a public address inside an IPv6 address": "http://[::ffff:8.8.8.8]/",
    "a name": "http://shop.example/",
    "a name that only looks inside": "http://svc.example/",
    "an allowed network": "http://10.1.2.3/",
    "an allowed network of IPv6": "http://[fd12::1]/",
    "an allowed name": "http://orders.shop.svc/",
    "an allowed suffix": "http://a.tools.example/",
    "loopback, named outright": "http://127.0.0.1:8080/",
    "loopback of IPv6, named outright": "http://[::1]:8080/",
    "loopback by its name": "http://localhost/",
}


@pytest.mark.parametrize("url", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_contract_may_lead_to(url: str) -> None:
    """Whatever it lists that is not inside, or that the installation allows."""
    assert not problem(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]/", "http://localhost/", "http://a.localhost/"]
)
def test_an_installation_may_refuse_its_own_loopback(url: str) -> None:
    """In a Pod it is shared with sidecars."""
    assert problem(url, egress.Rules(may_name_loopback=False))


LED = {
    "loopback from a name": ("http://shop.example/", "127.0.0.1", True),
    "loopback of IPv6 from a name": ("http://shop.example/", "::1", True),
    "loopback in IPv6 from a name": ("http://shop.example/", "::ffff:127.0.0.1", True),
    "loopback from localhost": ("http://localhost/", "127.0.0.1", False),
    "a private address from a name": ("http://shop.example/", "10.0.0.1", True),
    "an allowed private address from a name": ("http://shop.example/", "10.1.0.1", False),
    "a private address from an allowed name": ("http://orders.shop.svc/", "10.0.0.1", False),
    "metadata from an allowed name": ("http://orders.shop.svc/", "169.254.169.254", True),
    "loopback from an allowed suffix": ("http://a.tools.example/", "127.0.0.1", False),
    "the suffix itself": ("http://tools.example/", "10.0.0.1", True),
}


@pytest.mark.parametrize("case", LED.values(), ids=LED.keys())
def test_what_a_name_leads_to_is_looked_at(case: tuple[str, str, bool]) -> None:
    """A name is only a name: the address decides."""
    url, address, is_refused = case
    told = RULES.address_problem(egress.target(url), ipaddress.ip_address(address))
    assert bool(told) is is_refused
    assert address not in told  # what stands behind a name is not the author's to learn


@pytest.mark.parametrize("text", ["10.0.0.0/33", "a b", "http://x", "127.1", "*", ""])
def test_a_list_of_networks_and_names_is_refused_for(text: str) -> None:
    """Whoever starts the gateway is told."""
    with pytest.raises(egress.AddressError):
        egress.networks([text])
