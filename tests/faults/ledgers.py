"""Three ledgers compared: what the client was promised, what the sandbox got, what MongoDB and the events say."""

import asyncio
import contextlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from pymongo import MongoClient
from pymongo.collection import Collection

from libs.events.topics import MESSAGES_STATUS
from tests.faults.workload import Outcome
from tests.support.running import Stack, until

RANKS = {"accepted": 10, "sent": 20, "failed": 30, "delivered": 40, "read": 50}


class Ledgers:
    """Reads the ledgers of a stack and says where they differ."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def records(self) -> dict[str, dict[str, Any]]:
        """Return all outbound records by id."""
        with self._messages() as messages:
            return {row["_id"]: row for row in messages.find({"direction": "outbound"})}

    @contextlib.contextmanager
    def _messages(self) -> Iterator[Collection[dict[str, Any]]]:
        client: MongoClient[dict[str, Any]] = MongoClient(self.stack.info["mongo"], tz_aware=True)
        with client:
            yield client[self.stack.info["mongo_database"]].messages

    def events(self) -> set[tuple[str, str]]:
        """Return every (message id, status) that was told on the topic of statuses."""
        return asyncio.run(_events(self.stack.info["kafka"]))

    def await_quiet(self, outcome: Outcome, seconds: float) -> None:
        """Wait until every accepted message is delivered, read, failed, expired or kept unknown, and nothing is due."""
        until(lambda: not self._unfinished(outcome), f"all settled (seed {outcome.seed})", seconds, 0.5)

    def _unfinished(self, outcome: Outcome) -> int:
        with self._messages() as messages:
            query = {
                "direction": "outbound",
                "$or": [{"open": True}, {"due": {"$exists": True}}, {"rank": {"$in": [10, 20]}}],
            }
            return messages.count_documents(query, limit=1)

    def check(self, outcome: Outcome, *, resets: bool = False) -> None:
        """Assert the invariants: nothing lost, nothing twice, order kept, every state told. Prints the seed."""
        seed, promised = f"seed {outcome.seed}", outcome.ids
        sends = [row for row in self.stack.sends() if row["biz_opaque_callback_data"] in promised]
        arrived = Counter(row["biz_opaque_callback_data"] for row in sends)
        records = self.records()
        gone = [each for each in promised if each not in records]
        assert not gone, f"I1: {len(gone)} of {len(promised)} promised messages have no record any more ({seed})"
        lost = [each for each in promised if each not in arrived and records.get(each, {}).get("state") != "expired"]
        assert not lost, f"I1: {len(lost)} of {len(promised)} promised messages never arrived, {lost[:3]} ({seed})"
        twice = {each: times for each, times in arrived.items() if times > 1}
        assert not twice, f"I2: {len(twice)} messages arrived twice, {list(twice)[:3]} ({seed})"
        self._check_order(outcome, sends, seed)
        self._check_states(promised, records, seed)

    def _check_order(self, outcome: Outcome, sends: list[dict[str, Any]], seed: str) -> None:
        place = {row["biz_opaque_callback_data"]: number for number, row in enumerate(sends)}
        threads: dict[tuple[str, str], list[int]] = defaultdict(list)
        for each in outcome.accepted:
            if each.message_id in place:
                threads[each.number, each.person].append(place[each.message_id])
        broken = [thread for thread, places in threads.items() if places != sorted(places)]
        assert not broken, f"I3: order broken in {len(broken)} of {len(threads)} conversations ({seed})"

    def _check_states(self, promised: set[str], records: dict[str, dict[str, Any]], seed: str) -> None:
        behind = [each for each in promised if records[each].get("rank", 0) < RANKS["delivered"]]
        behind = [each for each in behind if records[each]["state"] not in ("expired", "failed")]
        assert not behind, f"I1: {len(behind)} messages did not come to an end ({seed})"
        fallen = [each for each in promised if records[each]["rank"] != _highest(records[each])]
        assert not fallen, f"I4: {len(fallen)} messages fell back from a state they had reached ({seed})"
        told = self.events()
        due = {(each, status) for each in promised for status in _told_states(records[each])}
        missing = due - told
        assert not missing, f"events lost: {len(missing)} of {len(due)}, {sorted(missing)[:3]} ({seed})"


def _highest(record: dict[str, Any]) -> int:
    return max((RANKS.get(status, 0) for status in record["times"]), default=0)


def _told_states(record: dict[str, Any]) -> set[str]:
    """The states that must have been told: accepted, and each that Meta reported (read implies delivered)."""
    return {"accepted"} | {move["status"] for move in record["history"] if move["status"] in RANKS}


async def _events(bootstrap: str) -> set[tuple[str, str]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        numbers = await _partitions(consumer)
        partitions = [TopicPartition(MESSAGES_STATUS, number) for number in numbers]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: set[tuple[str, str]] = set()
        end = time.monotonic() + 60
        while any([await consumer.position(part) < ends[part] for part in partitions]):
            assert time.monotonic() < end, "the topic of statuses could not be read"
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    data = json.loads(record.value)
                    found.add((data["message_id"], data["status"]))
        return found
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer) -> list[int]:
    await consumer._client.add_topic(MESSAGES_STATUS)
    return sorted(consumer.partitions_for_topic(MESSAGES_STATUS) or ())


class Watcher:
    """Reads some messages again and again while faults are played: no read may show a lower state than one before."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.highest: dict[str, int] = {}

    def look(self, message_ids: list[str]) -> None:
        """Read messages once more."""
        for message_id in message_ids:
            status = self.stack.message(message_id)["status"]
            rank = RANKS.get(status, 0)
            assert rank >= self.highest.get(message_id, 0), f"I4: {message_id} went back to {status}"
            self.highest[message_id] = rank
