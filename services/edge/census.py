"""What an operator has to know of accounts, numbers and disks, counted now and then for the metrics."""

import asyncio
from typing import Protocol

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from prometheus_client import Gauge

from libs.graph.errors import TABLE
from libs.kafka.disks import Disk
from libs.runtime.errors import Outage
from libs.runtime.periodic import Periodic
from services.edge.account_updates import STOPPING
from services.edge.meta_facts import STOPPED
from services.edge.metrics import ACCOUNTS, DISK_FREE, DISK_SIZE, NUMBERS

EVERY = 30.0  # seconds: an operator looks at minutes
BROKERS_WITHIN = 10.0  # seconds for all brokers to tell of their disks
OTHER = "other"  # whatever is not on a list of ours: a label must not be what somebody else writes

QUALITIES = {"GREEN", "YELLOW", "RED"}
REASONS = {
    *(verdict.code for verdict in TABLE.values()), *STOPPING.values(), *(state.lower() for state in STOPPED),
    "account_banned", "number_not_found", "",
}  # fmt: skip


class Store(Protocol):
    """Where accounts and numbers are."""

    async def count_accounts(self) -> list[tuple[str, str | None, int]]:
        """Count by status and reason."""
        ...

    async def count_numbers(self) -> list[tuple[str, str | None, str | None, int]]:
        """Count by status, reason and quality."""
        ...


class Brokers(Protocol):
    """Kafka, as far as its disks are concerned."""

    async def disks(self) -> list[Disk]:
        """Return the disks of the brokers that tell."""
        ...


class Database(Protocol):
    """MongoDB, as far as its disk is concerned."""

    async def disk(self) -> tuple[int, int] | None:
        """Return its size and what is free."""
        ...


class Census(Periodic):
    """A part: counts who is connected, who cannot send and why, and asks the servers how full their disks are."""

    def __init__(self, store: Store, brokers: Brokers, database: Database) -> None:
        super().__init__(EVERY)
        self._store = store
        self._brokers = brokers
        self._database = database

    async def _round(self) -> None:
        _show(ACCOUNTS, [((status, _reason(why)), count) for status, why, count in await self._store.count_accounts()])
        numbers = await self._store.count_numbers()
        _show(NUMBERS, [((status, _reason(why), _quality(said)), count) for status, why, said, count in numbers])
        if (disk := await self._database.disk()) is not None:
            DISK_SIZE.labels("mongodb").set(disk[0])
            DISK_FREE.labels("mongodb").set(disk[1])
        await self._ask_brokers()

    async def _ask_brokers(self) -> None:
        try:
            async with asyncio.timeout(BROKERS_WITHIN):
                disks = await self._brokers.disks()
        except (KafkaError, TimeoutError) as error:
            raise Outage("Kafka does not tell of its disks") from error
        for disk in sorted(disks, key=lambda it: -it.free):  # of a broker with several the fullest one counts
            DISK_SIZE.labels(f"kafka-{disk.broker}").set(disk.size)
            DISK_FREE.labels(f"kafka-{disk.broker}").set(disk.free)


def _show(gauge: Gauge, rows: list[tuple[tuple[str, ...], int]]) -> None:
    """Show the counts, and nothing that is not counted any more."""
    counts: dict[tuple[str, ...], int] = {}
    for labels, count in rows:
        counts[labels] = counts.get(labels, 0) + count
    gauge.clear()
    for labels, count in counts.items():
        gauge.labels(*labels).set(count)


def _reason(said: str | None) -> str:
    return said or "" if (said or "") in REASONS else OTHER


def _quality(said: str | None) -> str:
    return said.lower() if said in QUALITIES else "unknown"
