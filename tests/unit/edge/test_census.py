"""What is shown of accounts, numbers and disks: what is there now, by words that nobody outside can choose."""

from prometheus_client import REGISTRY
from prometheus_client.samples import Sample

from libs.kafka.disks import Disk
from services.edge.census import Census
from tests.support.waiting import eventually


class World:
    """Store, brokers and database in one."""

    def __init__(self) -> None:
        self.accounts: list[tuple[str, str | None, int]] = []
        self.numbers: list[tuple[str, str | None, str | None, int]] = []
        self.shown: list[Disk] = []
        self.asked = 0

    async def count_accounts(self) -> list[tuple[str, str | None, int]]:
        return self.accounts

    async def count_numbers(self) -> list[tuple[str, str | None, str | None, int]]:
        return self.numbers

    async def disk(self) -> tuple[int, int] | None:
        return 100, 40

    async def disks(self) -> list[Disk]:
        self.asked += 1
        return self.shown


async def round_of(world: World) -> None:
    census = Census(world, world, world)
    await census.start()
    await eventually(lambda: world.asked, "a round")
    await eventually(lambda: REGISTRY.get_sample_value("wabus_disk_free_bytes", {"server": "mongodb"}), "its end")
    await census.stop()
    world.asked = 0


def shown(name: str) -> dict[tuple[str, ...], float]:
    samples: list[Sample] = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name}


async def test_counts_are_those_of_now_and_what_is_gone_is_not_shown() -> None:
    world = World()
    world.accounts = [("active", None, 3), ("stopped", "token_invalid", 2)]
    await round_of(world)
    assert shown("wabus_edge_accounts") == {("active", ""): 3, ("stopped", "token_invalid"): 2}
    world.accounts = [("active", None, 5)]
    await round_of(world)
    assert shown("wabus_edge_accounts") == {("active", ""): 5}


async def test_words_that_are_not_ours_become_one_label() -> None:
    world = World()
    world.numbers = [
        ("connected", None, "GREEN", 4), ("connected", None, "a tenant's own word", 1), ("connected", None, None, 2),
        ("stopped", "banned", "RED", 1), ("stopped", "whatever Meta invents", "RED", 1), ("stopped", "more", "RED", 1),
    ]  # fmt: skip
    await round_of(world)
    assert shown("wabus_edge_numbers") == {
        ("connected", "", "green"): 4, ("connected", "", "unknown"): 3, ("stopped", "banned", "red"): 1,
        ("stopped", "other", "red"): 2,
    }  # fmt: skip


async def test_of_a_broker_with_several_disks_the_fullest_one_is_shown() -> None:
    world = World()
    world.shown = [Disk(1, 50, 7), Disk(1, 90, 80), Disk(2, 60, 30)]
    await round_of(world)
    assert shown("wabus_disk_free_bytes") == {("mongodb",): 40, ("kafka-1",): 7, ("kafka-2",): 30}
    assert shown("wabus_disk_size_bytes") == {("mongodb",): 100, ("kafka-1",): 50, ("kafka-2",): 60}
