"""Networks in CIDR form, as allow-lists of keys hold them."""

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def network(text: str) -> Network:
    """Read a network (`203.0.113.0/24`, `2001:db8::/32`) or one address; raises ValueError where it is none."""
    found = ip_network(text)
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise ValueError(f"{text}: write an IPv4 network in its own form")
    return found


def networks(text: str) -> tuple[Network, ...]:
    """Read a list of networks, comma separated; raises ValueError where one is none."""
    return tuple(network(part.strip()) for part in text.split(",") if part.strip())
