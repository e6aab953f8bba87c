"""The people whom the accounts that a key reaches have met: contacts are of a tenant, so who met them is in messages.

A key that reaches everything asks the contact book and nobody else. For any other one the numbers that it does reach
are a sandbox's beside live ones: few people, found by their messages, sorted and paged here. Where they are not few, it
is refused.
"""

from collections.abc import Iterable
from typing import Any

from libs.directory.reach import Reach
from libs.ledger.contact_book import ContactBook
from libs.ledger.contacts import conversation_id_of
from libs.ledger.conversations import ConversationReader
from libs.mongo.client import TookTooLong
from services.edge.errors import SearchTooWide

MOST_MET = 10_000  # people that are sorted for one page
TOO_MANY = (
    "These numbers have more messages or people than one call can look through. "
    "Ask for one person (`recipient`), or with a live key."
)

Document = dict[str, Any]


class MetPeople:
    """Finds contacts of one tenant. All raise MongoUnavailable; lists raise SearchTooWide."""

    def __init__(self, book: ContactBook, conversations: ConversationReader) -> None:
        self._book = book
        self._conversations = conversations

    async def get(self, tenant: str, contact_id: str, reach: Reach) -> Document | None:
        """Return the contact with this id, or the one that it was merged into, or None."""
        return await self._if_met(tenant, await self._book.get(tenant, contact_id), reach)

    async def named(self, tenant: str, name: str, reach: Reach) -> Document | None:
        """Return the contact known by a phone number or business-scoped user id, or None."""
        return await self._if_met(tenant, await self._book.named(tenant, name), reach)

    async def page(self, tenant: str, limit: int, after: Document | None, reach: Reach) -> list[Document]:
        """Return up to `limit` contacts, newest first, after a contact."""
        if reach.numbers is None:
            return await self._book.page(tenant, limit, after)
        return _newest("created_at", await self._met(tenant, reach.numbers), limit, after)

    async def opted_out(
        self, tenant: str, covers: str | None, limit: int, after: Document | None, reach: Reach
    ) -> list[Document]:
        """Return up to `limit` contacts who are opted out (of what `covers` names), the latest opt-out first."""
        if reach.numbers is None:
            return await self._book.opted_out(tenant, covers, limit, after)
        met = await self._met(tenant, reach.numbers)
        fitting = [row for row in met if (covers in row.get("opted_out", ()) if covers else row.get("opted_out"))]
        return _newest("opted_out_at", fitting, limit, after)

    async def _met(self, tenant: str, numbers: Iterable[str]) -> list[Document]:
        try:
            ids = await self._conversations.people(tenant, numbers, MOST_MET + 1)
        except TookTooLong:
            raise SearchTooWide(TOO_MANY) from None
        if len(ids) > MOST_MET:
            raise SearchTooWide(TOO_MANY)
        found = await self._book.many(tenant, ids)
        return list({row["_id"]: row for row in found.values() if "aliases" in row}.values())

    async def _if_met(self, tenant: str, row: Document | None, reach: Reach) -> Document | None:
        if row is None or reach.numbers is None or reach.numbers & row.get("windows", {}).keys():
            return row
        ids = [row["_id"], *row.get("merged", ())]
        threads = [conversation_id_of(each, number) for each in ids for number in reach.numbers]
        return row if await self._conversations.is_any(tenant, threads) else None


def _newest(by: str, rows: Iterable[Document], limit: int, after: Document | None) -> list[Document]:
    def place(row: Document) -> tuple[Any, str]:
        return row[by], row["_id"]

    beyond = [row for row in rows if by in row and (after is None or place(row) < place(after))]
    return sorted(beyond, key=place, reverse=True)[:limit]
