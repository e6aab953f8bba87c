"""A search among dead letters that takes too long: it ends, says where it is, and another call goes on there."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.directory.vault import Vault
from libs.events.topics import MESSAGES_REQUESTED, dead_letter_topic
from libs.kafka.bus import Bus
from libs.kafka.connection import KafkaConnection
from libs.kafka.dead_letter_reader import DeadLetter, Place
from libs.kafka.record import Record
from libs.mongo.client import Mongo
from libs.runtime.clock import SystemClock
from libs.web.errors import BadRequest, Unavailable
from services.edge.dead_letter_choice import Choice
from services.edge.dead_letter_cursors import Cursors, Reached
from services.edge.dead_letter_store import DeadLetterStore
from services.edge.dead_letters import DeadLetters
from tests.support.burying import bury
from tests.support.poison import spoil
from tests.support.running import Stack
from tests.support.shared_stack import refused
from tests.support.topics import envelope

REQUESTS = dead_letter_topic(MESSAGES_REQUESTED, "edge")
CURSORS = Cursors(Vault(f"tests:{base64.b64encode(bytes(32)).decode()}"))
WITHIN = 6.0  # seconds: far longer than it takes to find the first letter


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


def bury_five(stack: Stack, words: str) -> None:
    """Bury five letters that died of the same."""
    headers = tuple(envelope(stack, type="SendMessage.v9").headers())
    bury(stack, "edge", [Record(MESSAGES_REQUESTED, 0, place, b"k", b"{}", headers, 0) for place in range(5)], words)


def before_the_first(stack: Stack, words: str) -> str | None:
    """Return what goes on before the oldest letter that died of this."""
    shown: list[dict[str, Any]] = json.loads(stack.cli("dead-letters", "list", REQUESTS, "--error", words, "--json"))
    topic, partition, offset = shown[-1]["id"].split(":")
    place = Place(topic, int(partition), int(offset) - 1) if int(offset) else None
    return CURSORS.written(None, Reached(place, datetime.now(UTC)))


@pytest.fixture
def error(stack: Stack) -> str:
    """What five letters died of, and no other one."""
    words = f"KeyError at {secrets.token_hex(4)}"
    bury_five(stack, words)
    return words


@pytest.fixture
async def letters(stack: Stack) -> AsyncIterator[DeadLetters]:
    """The stack's dead letters, by a part of our own that has no time for more than one letter a call."""
    bus = Bus(KafkaConnection(stack.info["kafka"]), "tests")
    mongo = Mongo(stack.info["mongo"], stack.info["mongo_database"])
    await bus.start()
    await mongo.start()
    yield DeadLetters(bus, DeadLetterStore(mongo), CURSORS, SystemClock(), look_for=0.0, read_within=WITHIN)
    await bus.stop()
    await mongo.stop()


@pytest.fixture
async def two_topics(stack: Stack, letters: DeadLetters) -> DeadLetters:
    """The same, where another topic has a letter, too: there is something left to read when the time is up."""
    await asyncio.to_thread(spoil, stack, "", b"nobody's")
    return letters


async def test_a_replay_that_has_no_time_goes_on_where_it_was(stack: Stack, error: str, letters: DeadLetters) -> None:
    choice, reached, ended = Choice(None, REQUESTS, error=error), before_the_first(stack, error), []
    for _ in range(5):
        done = await letters.replay_all(choice, 1_000, reached, dry_run=False)
        assert (done.matched, done.settled) == (1, 1)
        reached = done.reached
        ended.append(reached)
    assert None not in ended[:4]
    whole = stack.call("POST", "/dead_letters/replay", {"error": error}, key=stack.info["admin_key"]).json()
    assert (whole["matched"], whole["has_more"], whole["reached"]) == (0, False, None)


async def test_what_dies_again_is_not_met_by_the_calls_that_go_on(
    stack: Stack, error: str, letters: DeadLetters
) -> None:
    choice, reached, met = Choice(None, REQUESTS, error=error), before_the_first(stack, error), 0
    for _ in range(3):
        done = await letters.replay_all(choice, 1_000, reached, dry_run=True)
        met, reached = met + done.matched, done.reached
    await asyncio.to_thread(bury_five, stack, error)
    while reached is not None:
        done = await letters.replay_all(choice, 1_000, reached, dry_run=True)
        met, reached = met + done.matched, done.reached
    assert met == 5
    again = await letters.replay_all(choice, 1_000, before_the_first(stack, error), dry_run=True)
    assert again.matched == 1, "a call that begins anew meets them"


@pytest.mark.usefixtures("error")
async def test_a_list_that_takes_too_long_says_what_to_do(two_topics: DeadLetters) -> None:
    with pytest.raises(Unavailable, match="dead letters were looked at") as told:
        await two_topics.page(Slow(None), 10, None)
    assert (told.value.public_code, told.value.retryable) == ("search_too_wide", False)


async def test_what_nobody_reached_is_refused(stack: Stack, letters: DeadLetters) -> None:
    with pytest.raises(BadRequest):
        await letters.replay_all(Choice(None, REQUESTS), 1, f"{REQUESTS}:0:1", dry_run=True)
    somebodys = CURSORS.written("somebody", Reached(Place(REQUESTS, 0, 1), datetime.now(UTC)))
    with pytest.raises(BadRequest):
        await letters.replay_all(Choice("somebody else", REQUESTS), 1, somebodys, dry_run=True)
    answer = stack.call("POST", "/dead_letters/replay", {"starting_after": "x"}, key=stack.info["admin_key"])
    refused(answer, 400, param="starting_after")
