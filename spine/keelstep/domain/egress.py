"""Where may a call go? What host an address names, and whether a contract may lead there.

Pure: nothing is resolved here. A transport asks before it resolves a name, after that, and again when it connects.

    a name or address          refused                                   unless
    link-local, metadata,      always                                    –
      multicast, unspecified
    loopback                   where a name leads there, or the          the contract names it outright
                                 installation forbids it
    private, the cluster's     always                                    the installation allows the address or name

An IPv6 address that carries an IPv4 address is judged as both. Hosts are written in their ASCII form; numbers that
are no IPv4 address in its usual form (octal, hexadecimal, one number) are no host.
"""

import fnmatch
import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.ASCII)
_UNCLEAN = re.compile(r"[\x00-\x20\\\x7f]")
_PORT = re.compile(r"(?P<host>.*?)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_MOST_NAME = 253
_PORTS = {"http": 80, "https": 443}
_METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in (
        *("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class AddressError(ValueError):
    """The address names no host in a form we accept; the message says why."""


class Place(StrEnum):
    """What kind of place an IP address is."""

    PUBLIC = "public"
    LOOPBACK = "a loopback address"
    INSIDE = "a private or cluster-internal address"
    FORBIDDEN = "a link-local, metadata, multicast or reserved address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an address names."""

    scheme: str
    host: str
    """Lower case, without a trailing dot, an IPv6 address without its brackets."""
    port: int
    literal: IPAddress | None
    """The address, where the host is one."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an installation lets contracts reach."""

    cluster: tuple[Network, ...] = ()
    """Addresses of the cluster that are not private anyway."""
    cluster_domain: str = "cluster.local"
    allowed_networks: tuple[Network, ...] = ()
    allowed_names: tuple[str, ...] = ()
    """Inside names that contracts may list: whole, or `*.` and a suffix."""
    may_name_loopback: bool = True

    def host_problem(self, target: Target) -> str:
        """Why this host may not be asked for at all; empty where it may."""
        if target.literal is not None:
            return self.address_problem(target, target.literal)
        if self._is_allowed_name(target.host):
            return ""
        if _is_localhost(target.host):
            return "" if self.may_name_loopback else f"{target.host} is {Place.LOOPBACK}"
        domain = self.cluster_domain.strip(".").lower()
        if target.host.endswith((".svc", f".svc.{domain}", f".{domain}")) or target.host == domain:
            return f"{target.host} is a name of the cluster's own"
        return ""

    def address_problem(self, target: Target, address: IPAddress) -> str:
        """Why this address of that host may not be connected to; empty where it may."""
        place = max((self._place(each) for each in _meant(address)), key=list(Place).index)
        is_allowed = self._is_allowed_name(target.host) or any(
            each in network for each in _meant(address) for network in self.allowed_networks
        )
        match place:
            case Place.PUBLIC:
                return ""
            case Place.LOOPBACK if is_allowed or (self.may_name_loopback and _names_loopback(target)):
                return ""
            case Place.INSIDE if is_allowed:
                return ""
            case _:
                return f"{target.host} {'is' if target.literal is not None else 'leads to'} {place}"

    def _place(self, address: IPAddress) -> Place:
        if address.is_loopback:
            return Place.LOOPBACK
        if (
            address in _METADATA
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or (address.version == 4 and address.is_reserved)
            or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK)
        ):
            return Place.FORBIDDEN
        is_site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        if is_site or not address.is_global or any(address in network for network in self.cluster):
            return Place.INSIDE
        return Place.PUBLIC

    def _is_allowed_name(self, host: str) -> bool:
        return any(fnmatch.fnmatchcase(host, name) for name in self.allowed_names)


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def target(url: str) -> Target:
    """What host an address names.

    Raises:
        AddressError: none, or in a form that one program may read otherwise than another.
    """
    if _UNCLEAN.search(url):
        raise AddressError("the address holds a space, a backslash or a control character")
    found = _URL.fullmatch(url)
    if found is None:
        raise AddressError("the address is no http or https address")
    return _target(found["scheme"], found["authority"].lower())


@functools.lru_cache(maxsize=4096)
def _target(scheme: str, authority: str) -> Target:
    """Calls lead to the same few hosts again and again."""
    if not authority.isascii():
        raise AddressError("a host is written in its ASCII form (xn--…)")
    if "@" in authority:
        raise AddressError("the address holds a user; say it in credentials")
    name, literal = "", None
    if authority.startswith("["):
        inner, end, rest = authority[1:].partition("]")
        literal = _ipv6(inner if end else "")
        name, split = inner, _PORT.fullmatch(rest)
        if split is None or split["host"]:
            raise AddressError("the address has no valid port")
    else:
        split = _PORT.fullmatch(authority)
        assert split is not None
        name, literal = _name(split["host"])
    port = int(split["port"]) if split["port"] is not None else _PORTS[scheme]
    if not 0 < port < 65_536:
        raise AddressError("the address has no valid port")
    return Target(scheme=scheme, host=str(literal) if literal else name, port=port, literal=literal)


def networks(texts: Iterable[str]) -> tuple[tuple[Network, ...], tuple[str, ...]]:
    """Networks and names, told apart.

    Raises:
        AddressError: one is neither.
    """
    found: list[Network] = []
    names: list[str] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            name = text.lower().removeprefix("*.")
            if not all(_LABEL.fullmatch(label) for label in name.split(".")) or _NUMBER.fullmatch(
                name.rsplit(".", 1)[-1]
            ):
                raise AddressError(f"{text!r} is no network and no host's name") from None
            names.append(text.lower())
    return tuple(found), tuple(names)


def _ipv6(text: str) -> IPAddress:
    try:
        found = ipaddress.IPv6Address(text)
    except ValueError:
        raise AddressError("the host is no valid IPv6 address") from None
    if found.scope_id is not None:
        raise AddressError("an IPv6 address with a zone means another place on every machine")
    return found


def _name(text: str) -> tuple[str, IPAddress | None]:
    name = text.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return name, ipaddress.IPv4Address(name)
        except ValueError:
            raise AddressError("the host is a number, and no IPv4 address in its usual form") from None
    if len(name) > _MOST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("the host is no valid name")
    return name, None


def _meant(address: IPAddress) -> list[IPAddress]:
    """The address, or the IPv4 address in it besides, which the network may take it for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]


def _names_loopback(target: Target) -> bool:
    """Did somebody write down outright that the call goes to this machine?"""
    return _is_localhost(target.host) or (
        target.literal is not None and all(each.is_loopback for each in _meant(target.literal))
    )


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")
