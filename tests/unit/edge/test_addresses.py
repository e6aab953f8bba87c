from ipaddress import ip_address
from typing import Any

import pytest
from starlette.requests import Request

from libs.directory.addresses import network, networks
from services.edge.addresses import CallerAddress, home_of, is_among, parsed

PROXIES = "10.0.0.0/8, fd00::/8"


def request(peer: str | None, *forwarded: str) -> Request:
    scope: dict[str, Any] = {"type": "http", "headers": [(b"x-forwarded-for", line.encode()) for line in forwarded]}
    return Request(scope | {"client": (peer, 1) if peer else None})


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "told"),
    [
        ("", "203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # nobody is trusted: the header is only talk
        (PROXIES, "203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # nor is this one
        (PROXIES, "10.0.0.1", [], "10.0.0.1"),
        (PROXIES, "10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        (PROXIES, "10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.1.1.1"], "198.51.100.1"),  # what it said stands left of it
        (PROXIES, "10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),  # two lines are one list
        (PROXIES, "10.0.0.1", ["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        (PROXIES, "10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        (PROXIES, "fd00::1", ["2001:db8::7"], "2001:db8::7"),
        (PROXIES, "fd00::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        (PROXIES, "::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        (PROXIES, "10.0.0.1", ["198.51.100.1, unknown"], None),
        (PROXIES, None, ["198.51.100.1"], None),
    ],
)
def test_the_caller_is_the_last_hop_that_is_no_proxy_of_ours(
    trusted: str, peer: str | None, forwarded: list[str], told: str | None
) -> None:
    found = CallerAddress(trusted).of(request(peer, *forwarded))
    assert found == (ip_address(told) if told else None)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("203.0.113.7", True), ("203.0.114.7", False), ("2001:db8:1::5", True), ("2001:db9::5", False),
        ("::ffff:203.0.113.7", True), ("::1", False),
    ],
)  # fmt: skip
def test_a_list_holds_networks_of_both_kinds(text: str, inside: bool) -> None:
    address = parsed(text)
    assert address is not None
    assert is_among(address, networks("203.0.113.0/24,2001:db8::/32")) is inside


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/8", "2001:db8::1/32", "::ffff:10.0.0.0/104", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|host bits|netmask|IPv4"):
        network(text)


def test_all_addresses_of_one_subscriber_count_as_one() -> None:
    assert home_of(parsed("2001:db8::1")) == home_of(parsed("2001:db8::ffff:1")) != home_of(parsed("2001:db8:0:1::1"))
    assert home_of(parsed("203.0.113.7")) != home_of(parsed("203.0.113.8"))
    assert home_of(None) == "None"
