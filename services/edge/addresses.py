"""From which address a call comes, past the proxies that we trust; and lists of addresses."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

from libs.directory.addresses import Network, networks

Address = IPv4Address | IPv6Address

FORWARDED = b"x-forwarded-for"
LONGEST = 64  # characters of an address with brackets and port
V6_HOME = 64  # bits: what one subscriber of an IPv6 network has all addresses of


class CallerAddress:
    """Tells the address of a call: the connection's, or the last one that no trusted proxy has.

    Each proxy adds at the right of `X-Forwarded-For` whom it spoke with, so what stands left of an address that we do
    not trust is only what that address says.
    """

    def __init__(self, trusted: str) -> None:
        self._trusted = networks(trusted)

    def of(self, request: Request) -> Address | None:
        """Return the address; None where the connection or a hop has none that can be read."""
        client = request.scope.get("client")
        address = parsed(client[0]) if client else None
        if not self._trusted or address is None or not is_among(address, self._trusted):
            return address
        for hop in reversed(_hops(request)):
            address = parsed(hop)
            if address is None or not is_among(address, self._trusted):
                return address
        return address


def is_among(address: Address, networks: Iterable[Network]) -> bool:
    """Tell whether an address is in one of the networks; one of IPv6 is never in one of IPv4."""
    return any(address in each for each in networks)


def home_of(address: Address | None) -> str:
    """Return what stands for all addresses of one subscriber: an IPv4 address, or the /64 of one of IPv6."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, V6_HOME), strict=False))
    return str(address)


def parsed(text: str) -> Address | None:
    """Read an address, with or without brackets and a port; IPv4 written as IPv6 is IPv4. None where it is none."""
    text = text.strip()
    return _parsed(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _hops(request: Request) -> Sequence[str]:
    lines = [value.decode("latin-1") for name, value in request.scope["headers"] if name == FORWARDED]
    return ",".join(lines).split(",") if lines else ()
