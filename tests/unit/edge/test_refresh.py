"""The rounds that read accounts from Meta again: one edge at a time, and what fails holds up nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import SecretStr

from libs.directory.directory import Directory
from libs.directory.entries import AccountEntry
from libs.graph.errors import GraphError, GraphRefused, GraphUnavailable
from services.edge.refresh import NumberRefresh

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Document = dict[str, Any]


class World:
    """Meta, the store, the directory and who listens, in one: accounts `1` to `3` with a number each."""

    def __init__(self, ours: bool = True) -> None:
        self.ours = ours
        self.failures: dict[str, Exception] = {}
        self.rows = {name: account(name) for name in "123"}
        self.numbers_kept = {
            name: {"_id": name * 2, "tenant": "t", "waba_id": name, "status": "connected"} for name in "123"
        }
        self.told: list[tuple[str, str, str | None]] = []

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def hold(self) -> bool:
        return self.ours

    async def to_refresh(self, before: datetime, most: int) -> list[Document]:
        assert before == NOW - timedelta(hours=6)
        return [row for row in self.rows.values() if row.get("refreshed_at", before) <= before][:most]

    async def account(self, *names: str) -> Any:
        if len(names) == 2 and names[0] == "t":  # the directory's
            return AccountEntry("t", names[1], "active", SecretStr("x"), None, "p", None, False, True, None)
        if names[0] in self.failures:
            raise self.failures[names[0]]
        return {"name": "Renamed"}

    async def numbers(self, waba_id: str, token: str) -> list[Document]:
        return [{"id": waba_id * 2, "status": "CONNECTED", "quality_rating": "YELLOW"}]

    async def numbers_of(self, waba_id: str) -> list[Document]:
        return [self.numbers_kept[waba_id]]

    async def update_account(self, waba_id: str, changes: Document) -> Document | None:
        self.rows[waba_id] |= changes
        return self.rows[waba_id]

    async def update_number(self, query: Document, changes: Document) -> Document | None:
        self.numbers_kept[query["_id"][0]] |= changes
        return None

    def forget(self, **_: Any) -> None:
        return None

    async def changed(self, tenant: str, kind: str, change: str, **ids: str | None) -> None:
        self.told.append((kind, change, ids.get("phone_number_id") or ids.get("waba_id")))


def account(waba_id: str) -> Document:
    return {"_id": f"a{waba_id}", "tenant": "t", "waba_id": waba_id, "status": "active"}


def refresh(world: World) -> NumberRefresh:
    directory = cast(Directory, world)
    return NumberRefresh(world, world, directory, world, world, world, timedelta(hours=6))


async def test_a_round_keeps_what_meta_says_and_tells_what_changed() -> None:
    world = World()
    await refresh(world)._round()
    assert {row["name"] for row in world.rows.values()} == {"Renamed"}
    assert {row["quality_rating"] for row in world.numbers_kept.values()} == {"YELLOW"}
    assert ("account", "updated", "1") in world.told
    assert ("number", "updated", "33") in world.told
    world.told.clear()
    world.rows["1"].pop("refreshed_at")
    await refresh(world)._round()
    assert world.told == []  # nothing was new


async def test_only_the_edge_whose_turn_it_is_asks_meta() -> None:
    world = World(ours=False)
    await refresh(world)._round()
    assert all("refreshed_at" not in row for row in world.rows.values())


async def test_a_token_that_meta_refuses_stops_its_account_and_holds_up_no_other() -> None:
    world = World()
    world.failures["1"] = GraphRefused(GraphError(190, "Invalid OAuth access token"))
    world.failures["2"] = GraphUnavailable("away")
    await refresh(world)._round()
    assert (world.rows["1"]["status"], world.rows["1"]["stop_reason"]) == ("stopped", "token_invalid")
    assert world.rows["2"]["status"] == "active"
    assert world.rows["3"]["name"] == "Renamed"
    assert all(row["refreshed_at"] == NOW for row in world.rows.values())


async def test_a_stop_for_a_bad_token_is_lifted_once_the_token_works() -> None:
    world = World()
    world.rows["1"] |= {"status": "stopped", "stop_reason": "token_invalid"}
    world.rows["2"] |= {"status": "stopped", "stop_reason": "account_banned"}
    await refresh(world)._round()
    assert (world.rows["1"]["status"], world.rows["1"]["stop_reason"]) == ("active", None)
    assert world.rows["2"]["status"] == "stopped"
