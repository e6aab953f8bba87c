"""A search among dead letters that takes too long: it ends, says where it is, and another call goes on there."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from libs.events.topics import MESSAGES_REQUESTED, dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letter_reader import DeadLetter
from libs.kafka.record import Record
from libs.mongo.client import Mongo
from libs.runtime.clock import SystemClock
from libs.web.errors import BadRequest, Unavailable
from services.edge.dead_letter_choice import Choice
from services.edge.dead_letter_store import DeadLetterStore
from services.edge.dead_letters import DeadLetters
from tests.support.burying import bury
from tests.support.poison import spoil
from tests.support.running import Stack
from tests.support.shared_stack import refused
from tests.support.topics import envelope

REQUESTS = dead_letter_topic(MESSAGES_REQUESTED, "edge")
WITHIN = 3.0  # seconds: far longer than it takes to find the first letter


@dataclass(frozen=True, slots=True)
class Slow(Choice):
    """Takes nothing, and all the time that there is."""

    looked: list[str] = field(default_factory=list)

    def takes(self, letter: DeadLetter, settled: Mapping[str, str]) -> bool:
        """Return after the time that a search may take, for the first letter that is looked at."""
        if not self.looked:
            time.sleep(WITHIN)
        self.looked.append(letter.place)
        return False


@pytest.fixture
def error(stack: Stack) -> str:
    """What five letters died of, and no other one."""
    words = f"KeyError at {secrets.token_hex(4)}"
    headers = tuple(envelope(stack, type="SendMessage.v9").headers())
    bury(stack, "edge", [Record(MESSAGES_REQUESTED, 0, place, b"k", b"{}", headers, 0) for place in range(5)], words)
    return words


@pytest.fixture
async def letters(stack: Stack) -> AsyncIterator[DeadLetters]:
    """The stack's dead letters, by a part of our own that has no time for more than one letter a call."""
    bus = Bus(KafkaConnection(stack.info["kafka"]), "tests")
    mongo = Mongo(stack.info["mongo"], stack.info["mongo_database"])
    await bus.start()
    await mongo.start()
    yield DeadLetters(bus, DeadLetterStore(mongo), SystemClock(), look_for=0.0, read_within=WITHIN)
    await bus.stop()
    await mongo.stop()


@pytest.fixture
async def two_topics(stack: Stack, letters: DeadLetters) -> DeadLetters:
    """The same, where another topic has a letter, too: there is something left to read when the time is up."""
    await asyncio.to_thread(spoil, stack, "", b"nobody's")
    return letters


async def test_a_replay_that_has_no_time_goes_on_where_it_was(stack: Stack, error: str, letters: DeadLetters) -> None:
    shown: list[dict[str, Any]] = json.loads(stack.cli("dead-letters", "list", REQUESTS, "--error", error, "--json"))
    oldest = shown[-1]
    topic, partition, offset = oldest["id"].split(":")
    choice = Choice(None, REQUESTS, error=error)
    reached = f"{topic}:{partition}:{int(offset) - 1}" if int(offset) else None
    ended = []
    for place in reversed(shown):
        done = await letters.replay_all(choice, 1_000, reached, dry_run=False)
        assert (done.matched, done.settled, done.reached) == (1, 1, place["id"])
        reached = done.reached
        ended.append(done.has_more)
    assert ended[:4] == [True] * 4
    whole = stack.call("POST", "/dead_letters/replay", {"error": error}, key=stack.info["admin_key"]).json()
    assert (whole["matched"], whole["has_more"]) == (0, False)


@pytest.mark.usefixtures("error")
async def test_a_list_that_takes_too_long_says_what_to_do(two_topics: DeadLetters) -> None:
    with pytest.raises(Unavailable, match="dead letters were looked at") as told:
        await two_topics.page(Slow(None), 10, None)
    assert (told.value.public_code, told.value.retryable) == ("search_too_wide", False)


async def test_what_nobody_reached_is_refused(stack: Stack, letters: DeadLetters) -> None:
    with pytest.raises(BadRequest):
        await letters.replay_all(Choice(None, REQUESTS), 1, "x:0:1", dry_run=True)
    answer = stack.call("POST", "/dead_letters/replay", {"starting_after": "x"}, key=stack.info["admin_key"])
    refused(answer, 400, param="starting_after")
