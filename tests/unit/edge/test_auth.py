"""Who is let in, from where and how often: with keys in memory."""

from typing import Any

import pytest
from starlette.requests import Request

from libs.directory.addresses import networks
from libs.directory.cache import EntryCache
from libs.directory.entries import KeyEntry
from libs.web.errors import ApiError
from services.edge.addresses import CallerAddress
from services.edge.api_keys import ApiKey, Scope, new_key
from services.edge.auth import Authenticator, Limits
from services.edge.buckets import Buckets
from tests.unit.edge.test_buckets import HandClock


class World:
    """A directory of keys, and an authenticator with low limits."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.rows: dict[str, KeyEntry] = {}
        self.loaded = 0
        self.keys = EntryCache(self._load, self.clock)
        limits = Limits(
            keys=Buckets(5, self.clock), tenants=Buckets(8, self.clock), failures=Buckets(0.1, self.clock, burst=3)
        )
        world: Any = self
        self.auth = Authenticator(world, limits, CallerAddress(""), world, self.clock)

    async def _load(self, key_id: str) -> KeyEntry | None:
        self.loaded += 1
        return self.rows.get(key_id)

    def note(self, key_id: str) -> None:
        """Uses are of no interest here."""

    def make(self, allowed: str = "", rate: int | None = None) -> ApiKey:
        key = new_key("test")
        self.rows[key.key_id] = KeyEntry(
            key.key_id, "t", "test", frozenset({"whatsapp:read"}), key.secret_hash, None, None, networks(allowed), rate
        )
        return key

    async def outcome(self, key: ApiKey, peer: str = "203.0.113.7") -> str:
        """Return `in`, or the code of the refusal."""
        headers = [(b"authorization", f"Bearer {key.text}".encode())]
        try:
            await self.auth.caller(Request({"type": "http", "headers": headers, "client": (peer, 1)}), Scope.READ)
        except ApiError as refusal:
            return refusal.public_code if refusal.status != 429 or refusal.retry_after else "does not say when"
        return "in"


@pytest.mark.parametrize(
    ("allowed", "peer", "outcome"),
    [
        ("", "192.0.2.1", "in"), ("192.0.2.0/24", "192.0.2.1", "in"),
        ("192.0.2.0/24", "192.0.3.1", "address_not_allowed"),
        ("2001:db8::/32", "2001:db8::1", "in"), ("2001:db8::/32", "2001:db9::1", "address_not_allowed"),
        ("2001:db8::/32", "192.0.2.1", "address_not_allowed"), ("192.0.2.0/24", "::ffff:192.0.2.1", "in"),
        ("0.0.0.0/0", "not an address", "address_not_allowed"),
    ],
)  # fmt: skip
async def test_a_key_with_a_list_works_from_there_only(allowed: str, peer: str, outcome: str) -> None:
    world = World()
    assert await world.outcome(world.make(allowed), peer) == outcome


async def test_a_key_s_own_rate_stands_in_place_of_everybody_s() -> None:
    world = World()
    key, other = world.make(rate=1), world.make()
    assert [await world.outcome(key) for _ in range(2)] == ["in", "rate_limited"]
    assert [await world.outcome(other) for _ in range(6)] == ["in"] * 5 + ["rate_limited"]


async def test_the_keys_of_a_tenant_share_its_rate() -> None:
    world = World()
    keys = [world.make() for _ in range(3)]
    told = [await world.outcome(key) for key in keys for _ in range(3)]
    assert told == ["in"] * 8 + ["tenant_rate_limited"]
    world.clock.seconds += 1
    assert await world.outcome(keys[0]) == "in"


async def test_an_address_that_fails_too_often_is_not_even_looked_up() -> None:
    world = World()
    known, valid = world.make(), world.make()
    assert await world.outcome(known) == "in"
    guesses = [await world.outcome(new_key("test")) for _ in range(5)]
    assert guesses == ["invalid_key"] * 3 + ["too_many_attempts"] * 2
    before = world.loaded
    assert await world.outcome(new_key("test")) == "too_many_attempts"
    assert world.loaded == before
    assert await world.outcome(valid) == "too_many_attempts"  # nobody proved it yet: that would be a look-up as well
    assert await world.outcome(valid, "203.0.113.8") == "in"
    world.clock.seconds += 6  # the directory asks anew, the address has not been forgiven
    assert await world.outcome(known) == "in"
    world.clock.seconds += 20
    assert await world.outcome(new_key("test")) == "invalid_key"
