"""Changing a bot: its model's key is written where it is given, and only there."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.directory.reach import EVERYTHING, Reach
from libs.directory.vault import Vault
from libs.egress.addresses import Limits
from libs.web.identity import Identity
from services.autoreply.bot_secrets import Secrets
from services.autoreply.bots import Bots
from services.autoreply.create_bodies import body_in
from tests.unit.edge.test_buckets import HandClock

RING = f"k:{base64.b64encode(b'k' * 32).decode()}"
URL = "https://models.example.com/v1/chat/completions"


class Shelf:
    """A store of one bot, which remembers what was written."""

    def __init__(self) -> None:
        self.bot: dict[str, Any] = {}
        self.written: list[set[str]] = []

    async def add(self, bot: dict[str, Any]) -> bool:
        self.bot = bot
        return True

    async def reached(self, *_: Any) -> dict[str, Any]:
        return dict(self.bot)

    async def change(self, _: str, __: str, fields: Mapping[str, Any], ___: datetime) -> dict[str, Any]:
        self.written.append(set(fields))
        self.bot |= fields
        return self.bot


class Nobody:
    """A directory of a tenant whose callers reach everything."""

    async def reach(self, *_: str) -> Reach:
        return EVERYTHING

    async def bots_reached(self, *_: Any) -> dict[str, Any]:
        return {}


CALLER = Identity("t", "k", frozenset())


async def test_a_key_that_is_not_given_is_not_written_for_it_may_be_encrypted_anew_at_that_moment() -> None:
    shelf: Any = Shelf()
    nobody: Any = Nobody()
    secrets = Secrets(Vault(RING), Limits(frozenset({443}), ()))
    bots = Bots(shelf, nobody, secrets, HandClock())
    made = b'{"name": "b", "kind": "model", "model": {"url": "%s", "name": "m", "key": "sk-1"}}' % URL.encode()
    await bots.create(CALLER, body_in(made))
    await bots.update(CALLER, "b", {"name": "other"})
    await bots.update(CALLER, "b", {"model": {"key": "sk-2"}})
    await bots.update(CALLER, "b", {"model": {"key": ""}})
    assert ["key" in fields for fields in shelf.written] == [False, True, True]
    assert shelf.bot["key"] is None
