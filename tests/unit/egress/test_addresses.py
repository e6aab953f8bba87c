"""Which addresses and URLs may be called."""

from ipaddress import ip_address, ip_network

import pytest

from libs.egress.addresses import Limits, UrlRefused, is_public, literal_address

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "192.167.255.255", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
NOT_PUBLIC = {
    "this host": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104  # nothing listens here: it is to be refused
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fd00:ec2::254"],
    "shared": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1"],
    "protocols and documentation": [
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255",
        "192.88.99.1", "192.175.48.1", "2001:db8::1", "2001::1", "2001:20::1", "3fff::1", "100::1", "2620:4f:8000::1",
    ],
    "multicast and reserved": ["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "compatible": ["::127.0.0.1", "::10.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "64:ff9b::a9fe:a9fe"],
    "6to4, whatever it embeds": ["2002:7f00:1::", "2002:a00:1::", "2002:808:808::"],
    "Teredo": ["2001:0:53aa:64c:0:fbff:f5ff:fffe"],
    "not assigned": ["4000::1", "5f00::1", "1::1"],
    "a cloud's own": ["168.63.129.16"],
}  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_the_public_internet_is_reached(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", [text for group in NOT_PUBLIC.values() for text in group])
def test_nothing_else_is(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1."])
def test_an_address_is_recognised_however_it_is_spelt(host: str) -> None:
    assert str(literal_address(host)) == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.com", "1.example.com", "xn--hr-eka.example", "0x7f.example"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?b=c", "https://1.1.1.1/", "https://[2606:4700::1111]:443/x"]
)
def test_https_to_a_public_place_is_taken(url: str) -> None:
    Limits().check(url)


def test_a_listed_port_is_taken_and_no_other() -> None:
    limits = Limits(frozenset({443, 8443}))
    limits.check("https://hooks.example.com:8443/")
    with pytest.raises(UrlRefused, match="443 or 8443"):
        limits.check("https://hooks.example.com:8080/")


def test_what_a_test_stack_lists_is_reached_by_http_on_any_port_and_nothing_beside_it() -> None:
    limits = Limits(allowed=[ip_network("127.0.0.1/32")])
    limits.check("http://127.0.0.1:3000/hook")
    limits.check("http://localhost:3000/hook")  # its addresses are checked when it is connected to
    assert limits.permits(ip_address("127.0.0.1"), 3000, secure=False)
    assert limits.permits(ip_address("::ffff:127.0.0.1"), 3000, secure=False)
    assert not limits.permits(ip_address("127.0.0.2"), 443, secure=True)
    assert not limits.permits(ip_address("1.1.1.1"), 80, secure=False)
    with pytest.raises(UrlRefused, match="private"):
        limits.check("http://127.0.0.2:3000/hook")
    with pytest.raises(UrlRefused, match="https"):
        limits.check("http://1.1.1.1/hook")
