"""Whom a key sees that does not reach all of its tenant's numbers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.directory.reach import EVERYTHING, Reach
from libs.ledger.contacts import conversation_id_of
from libs.mongo.client import TookTooLong
from services.edge.errors import SearchTooWide
from services.edge.met_people import MOST_MET, MetPeople

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SANDBOXS = Reach(frozenset({"w"}), frozenset({"1", "2"}), others=True)
Document = dict[str, Any]


class Tenant:
    """Contacts and conversations: `met` are (contact, number) of messages."""

    def __init__(self, *rows: Document, met: Iterable[tuple[str, str]]) -> None:
        self.rows, self.met = {row["_id"]: row for row in rows}, list(met)

    async def get(self, tenant: str, contact_id: str) -> Document | None:
        return self.rows.get(contact_id)

    async def many(self, tenant: str, ids: Iterable[str]) -> dict[str, Document]:
        merged = {old: row for row in self.rows.values() for old in row.get("merged", ())}
        return {each: row for each in ids if (row := self.rows.get(each) or merged.get(each))}

    async def page(self, tenant: str, limit: int, after: Document | None) -> list[Document]:
        return list(self.rows.values())

    async def people(self, tenant: str, numbers: Iterable[str], most: int) -> list[str]:
        return [contact for contact, number in self.met if number in numbers][:most]

    async def is_any(self, tenant: str, conversation_ids: Sequence[str]) -> bool:
        return any(conversation_id_of(*each) in conversation_ids for each in self.met)


def contact(name: str, age: int, **more: Any) -> Document:
    return {"_id": name, "aliases": [name], "created_at": NOW - timedelta(days=age)} | more


def people(*rows: Document, met: Iterable[tuple[str, str]]) -> MetPeople:
    tenant: Any = Tenant(*rows, met=met)
    return MetPeople(tenant, tenant)


WROTE = contact("wrote", 1, windows={"1": {}, "9": {}}, opted_out=["all"], opted_out_at=NOW)
WRITTEN_TO = contact("written-to", 2)
MERGED = contact("merged", 3, merged=["old"], opted_out=["marketing"], opted_out_at=NOW - timedelta(days=1))
OTHER = contact("other", 0, windows={"9": {}}, opted_out=["marketing"], opted_out_at=NOW)
MET = [("wrote", "1"), ("wrote", "9"), ("written-to", "2"), ("old", "1"), ("old", "2"), ("other", "9")]


async def test_they_are_seen_who_wrote_or_were_written_to_under_any_id_that_they_had() -> None:
    met = people(WROTE, WRITTEN_TO, MERGED, OTHER, met=MET)
    for row in (WROTE, WRITTEN_TO, MERGED):
        assert await met.get("t", row["_id"], SANDBOXS) == row
    assert await met.get("t", "other", SANDBOXS) is None
    assert await met.get("t", "other", EVERYTHING) == OTHER


async def test_they_are_paged_newest_first_and_each_once() -> None:
    met = people(WROTE, WRITTEN_TO, MERGED, OTHER, met=MET)
    assert await met.page("t", 2, None, SANDBOXS) == [WROTE, WRITTEN_TO]
    assert await met.page("t", 2, WRITTEN_TO, SANDBOXS) == [MERGED]
    assert await met.page("t", 2, None, EVERYTHING) == [WROTE, WRITTEN_TO, MERGED, OTHER]


async def test_of_these_who_opted_out_come_by_when_they_did() -> None:
    met = people(WROTE, WRITTEN_TO, MERGED, OTHER, met=MET)
    assert await met.opted_out("t", None, 5, None, SANDBOXS) == [WROTE, MERGED]
    assert await met.opted_out("t", "marketing", 5, None, SANDBOXS) == [MERGED]
    assert await met.opted_out("t", None, 5, WROTE, SANDBOXS) == [MERGED]


class Busy(Tenant):
    """Its numbers have more messages than can be read in time."""

    async def people(self, tenant: str, numbers: Iterable[str], most: int) -> list[str]:
        raise TookTooLong


@pytest.mark.parametrize(
    "tenant", [Busy(met=[]), Tenant(WROTE, met=[(f"{each}", "1") for each in range(MOST_MET + 1)])]
)
async def test_where_they_are_too_many_it_is_said_what_to_ask_instead(tenant: Any) -> None:
    met = MetPeople(tenant, tenant)
    for listed in (met.page("t", 2, None, SANDBOXS), met.opted_out("t", None, 2, None, SANDBOXS)):
        with pytest.raises(SearchTooWide, match="recipient") as refused:
            await listed
        assert not refused.value.retryable


async def test_as_many_as_can_be_sorted_are() -> None:
    rows = [contact(f"{each}", each) for each in range(MOST_MET)]
    met = people(*rows, met=[(row["_id"], "1") for row in rows])
    assert await met.page("t", 2, None, SANDBOXS) == rows[:2]
