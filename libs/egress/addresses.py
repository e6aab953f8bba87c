"""Where a webhook may go: public addresses, https, the listed ports. Decisions only; egress.py looks names up."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048  # characters: what servers and proxies take everywhere
LONGEST_NAME = 253  # characters of a host name (RFC 1035)
HTTPS, HTTP = 443, 80

# Every IPv4 network that is not the public internet (IANA's special-purpose registry), multicast and reserved space,
# and Azure's WireServer, an address from public space that answers inside its machines only.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    )
)  # fmt: skip
_PUBLIC_V6 = IPv6Network("2000::/3")  # global unicast: all else is local, multicast or not assigned
# Within it: IETF protocols with Teredo and ORCHID, documentation twice, 6to4 (which embeds any IPv4 address), AS112.
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
_NAT64 = IPv6Network("64:ff9b::/96")  # a translator of the network's owner: the IPv4 address in it is what is reached


class UrlRefused(Exception):
    """The URL is none that we would ever call; the text says what is allowed."""


def reached(address: Address) -> Address:
    """Return the address that is really reached: the IPv4 one inside a mapped or translated IPv6 one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Tell whether an address lies on the public internet."""
    real = reached(address)
    if isinstance(real, IPv4Address):
        return not any(real in network for network in _NOT_PUBLIC_V4)
    return real.scope_id is None and real in _PUBLIC_V6 and not any(real in network for network in _NOT_PUBLIC_V6)


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be called: `allowed` networks of a test stack also with http, on any port, though they are private."""

    ports: frozenset[int] = frozenset({HTTPS})
    allowed: Sequence[Network] = field(default=())

    def is_allowed_private(self, address: Address) -> bool:
        """Tell whether the operator listed this address."""
        real = reached(address)
        return any(real in network for network in self.allowed if network.version == real.version)

    def permits(self, address: Address, port: int, *, secure: bool) -> bool:
        """Tell whether this very address may be connected to."""
        return self.is_allowed_private(address) or (is_public(address) and secure and port in self.ports)

    def check(self, url: str) -> None:
        """Refuse a URL by its form; raises UrlRefused. A name is looked up, and checked, at each connection."""
        parts = split(url)
        host, port = parts.hostname or "", port_of(parts)
        literal = literal_address(host)
        if self.allowed if literal is None else self.is_allowed_private(literal):
            return
        if literal is not None and not is_public(literal):
            raise UrlRefused("Must not be an address of a private, local or reserved network.")
        if parts.scheme != "https":
            raise UrlRefused("Must begin with https://.")
        if port not in self.ports:
            raise UrlRefused(f"The port must be {' or '.join(str(each) for each in sorted(self.ports))}.")
        if literal is None and "." not in host.rstrip("."):
            raise UrlRefused("The host must be a full name, for example hooks.example.com.")


def split(url: str) -> SplitResult:
    """Take a URL apart; raises UrlRefused for what is none of http or https with a host and nothing odd in it."""
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"Must have at most {LONGEST_URL} characters.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UrlRefused("Must be a URL of printable ASCII characters without spaces (punycode, percent-encoded).")
    try:
        parts = urlsplit(url)
        named = parts.port
    except ValueError:
        raise UrlRefused("Must be a URL, for example https://hooks.example.com/wabus.") from None
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not host or len(host) > LONGEST_NAME or named == 0:
        raise UrlRefused("Must be a URL, for example https://hooks.example.com/wabus.")
    if parts.username is not None or parts.password is not None:
        raise UrlRefused("Must not contain a user name or password: check our signature instead.")
    if parts.fragment or "#" in url:
        raise UrlRefused("Must not have a fragment (#).")
    if "%" in host or ".." in host or host.startswith("."):
        raise UrlRefused("The host is not a name or an address.")
    return parts


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL that was taken apart."""
    return parts.port or (HTTPS if parts.scheme == "https" else HTTP)


def literal_address(host: str) -> Address | None:
    """Return the address that a host spells, however a resolver reads it (`127.1`, `0x7f000001`), None for names."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, ValueError):
        return None
