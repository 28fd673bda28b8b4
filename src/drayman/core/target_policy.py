"""Where tasks may be sent: the policy of ``--targets``, against server-side request forgery.

Whoever may create tasks chooses URLs, and the server can reach more than its callers: the networks
behind it, the metadata server of its cloud, itself. A target is judged by its host before the
lookup, and by each address between lookup and connect, where no later lookup can change it. The
first rule that applies decides:

    target                                                        decision
    ----------------------------------------------------------    ------------------------
    the host or the network of the address is denied              refused
    the network of the address is allowed                         allowed
    a metadata server, a link-local address, this server's own    refused
    port
    the host is allowed, or it is an App Engine target            allowed
    any other                                                     by ``default``

A host that is allowed may still not resolve to a metadata server: its name servers may not be the
operator's. An IPv6 address that contains an IPv4 address is judged by both.
"""

import dataclasses
import enum
import functools
import ipaddress
import re
from collections.abc import Callable, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA_HOSTS = (
    "metadata", "metadata.google.internal", "*.metadata.google.internal", "metadata.goog",
    "*.metadata.goog", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal",
    "metadata.tencentyun.com",
)  # fmt: skip
"""The names of metadata servers, which a proxy would resolve."""
METADATA_NETWORKS = tuple(map(ipaddress.ip_network, (
    "169.254.0.0/16",  # link-local: Amazon, Azure, Google, DigitalOcean, Oracle, OpenStack
    "fe80::/10",  # link-local
    "fd00:ec2::/32",  # Amazon
    "fd20:ce::/32",  # Google
    "100.100.100.200/32",  # Alibaba
    "168.63.129.16/32",  # Azure's platform
    "192.0.0.192/32",  # Oracle
)))  # fmt: skip
"""The networks of metadata servers, and link-local addresses, which most of them have."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_STAND_FOR_IPV4 = tuple(map(ipaddress.IPv6Network, (
    "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
    "64:ff9b::/96",  # NAT64 (RFC 6052)
    "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
)))  # fmt: skip
"""Networks whose addresses are IPv4 addresses in another form."""
_CONTAIN_IPV4 = tuple(map(ipaddress.IPv6Network, (
    "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
    "::/96",  # IPv4-compatible (RFC 4291)
)))  # fmt: skip
"""Networks whose addresses end with an IPv4 address."""
_UNSPECIFIED = {
    ipaddress.ip_address("0.0.0.0"): ipaddress.ip_address("127.0.0.1"),  # noqa: S104 - no listener
    ipaddress.ip_address("::"): ipaddress.ip_address("::1"),
}
"""The addresses that a system takes for its own loopback addresses."""
_HOST_NAME = re.compile(r"[a-z0-9._-]+")
_LOOPBACK = "127.0.0.1"


class DefaultRule(enum.Enum):
    """What applies to targets that no rule names."""

    ANY = "any"
    PUBLIC = "public"
    """Public addresses only."""
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class TargetSet:
    """A set of targets.

    Attributes:
        hosts: Names of hosts in lower case; ``*.example.com`` stands for all names below it.
        networks: Networks.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[IPNetwork, ...] = ()

    def has_host(self, host: str) -> bool:
        """Return whether a name is in the set."""
        return any(map(functools.partial(_matches, host), self.hosts))

    def has_address(self, address: IPAddress) -> bool:
        """Return whether an address is in the set."""
        return any(address in network for network in self.networks)


METADATA = TargetSet(METADATA_HOSTS, METADATA_NETWORKS)


@dataclasses.dataclass(frozen=True, slots=True)
class TargetPolicy:
    """Where tasks may be sent.

    Attributes:
        default: What applies to targets that no rule names.
        allow: The allowed targets.
        deny: The denied targets.
        app_engine: Hosts and ports of App Engine targets, which the operator has named.
        own_ports: The ports of this server.
        is_own: Returns whether an address is this machine's.
    """

    default: DefaultRule = DefaultRule.ANY
    allow: TargetSet = TargetSet()
    deny: TargetSet = TargetSet()
    app_engine: frozenset[tuple[str, int]] = frozenset()
    own_ports: frozenset[int] = frozenset()
    is_own: Callable[[str], bool] = lambda _: False

    def refuse_host(self, host: str) -> str | None:
        """Return why nothing may be sent to a host, None if its addresses decide."""
        host = host.rstrip(".")
        if self.deny.has_host(host):
            return f"{host} is denied"
        if METADATA.has_host(host) and not self.allow.has_host(host):
            return f"{host} is a metadata server"
        return None

    def refuse_proxied(self, host: str, port: int) -> str | None:
        """Return why nothing may be sent to a host whose addresses only a proxy knows."""
        host = host.rstrip(".")
        if not _HOST_NAME.fullmatch(host):
            return f"{host} is not a host name"
        if _is_localhost(host):
            return self.refuse_address(host, _LOOPBACK, port)
        if self.default is DefaultRule.NONE and not self._allows_host(host, port):
            return f"{host} is not allowed"
        return None

    def refuse_address(self, host: str, ip: str, port: int) -> str | None:
        """Return why nothing may be sent to an address of a host, None if it may."""
        allowed = self._allows_host(host.rstrip("."), port)
        refusals = (self._refuse(each, port, allowed=allowed) for each in addresses(ip))
        return next(filter(None, refusals), None)

    def _allows_host(self, host: str, port: int) -> bool:
        return (host, port) in self.app_engine or self.allow.has_host(host)

    def _refuse(self, address: IPAddress, port: int, *, allowed: bool) -> str | None:
        if self.deny.has_address(address):
            return f"{address} is denied"
        if self.allow.has_address(address):
            return None
        refusal = self._refuse_protected(address, port)
        return refusal if refusal or allowed else self._refuse_by_default(address)

    def _refuse_protected(self, address: IPAddress, port: int) -> str | None:
        if METADATA.has_address(address):
            return f"{address} is a link-local address, or one of a metadata server"
        if port in self.own_ports and self.is_own(str(address)):
            return f"{address} port {port} is this server"
        return None

    def _refuse_by_default(self, address: IPAddress) -> str | None:
        if self.default is DefaultRule.NONE:
            return f"{address} is not allowed"
        if self.default is DefaultRule.PUBLIC and not is_public(address):
            return f"{address} is not a public address"
        return None


@functools.lru_cache(maxsize=1024)
def addresses(ip: str) -> Sequence[IPAddress]:
    """Return the address that a text stands for, and those that it also reaches."""
    address = ipaddress.ip_address(ip)
    if address in _UNSPECIFIED:
        return (address, _UNSPECIFIED[address])
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    last = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if any(address in network for network in _STAND_FOR_IPV4):
        return (last,)
    embedded = [*(address.teredo or ()), address.sixtofour]
    if any(address in network for network in _CONTAIN_IPV4) and int(address) > 1:
        embedded.append(last)
    return (address, *filter(None, embedded))


def is_public(address: IPAddress) -> bool:
    """Return whether an address is a unicast address of the Internet (IANA's registries).

    For 6to4 the registry has no answer, nor have versions of Python the same: the IPv4 address
    within decides.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _GLOBAL_UNICAST:
            return False
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
    return address.is_global and not address.is_multicast


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _is_localhost(host: str) -> bool:
    """Return whether a name is one of this machine (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")
