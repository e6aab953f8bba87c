"""What a key reaches of its tenant: a live key everything, a test key the accounts that are a sandbox's, and of what
belongs to no account what test keys made.

The one rule of who sees what by the kind of account. Whoever reads or changes something of an account asks
`Directory.reach` and narrows the query by the answer, so that what is out of reach is as if it did not exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TEST = "test"  # the mode of keys that reach sandbox accounts only

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """The accounts and numbers that are reached, those of accounts that were disconnected included; None: all.

    `others`: there are accounts, or were, that are not reached. `test`: it is what a test key reaches.
    """

    wabas: frozenset[str] | None = None
    numbers: frozenset[str] | None = None
    others: bool = False
    test: bool = True

    @property
    def limited(self) -> bool:
        """Whether any account has to be left out."""
        return self.numbers is not None

    def has_account(self, waba_id: str | None) -> bool:
        """Tell whether an account is reached."""
        return self.wabas is None or waba_id in self.wabas

    def has_number(self, phone_number_id: str | None) -> bool:
        """Tell whether a number is reached."""
        return self.numbers is None or phone_number_id in self.numbers

    def by_account(self, query: Document) -> Document:
        """Return a query narrowed to documents with the `waba_id` of an account that is reached."""
        return query if self.wabas is None else {"$and": [query, {"waba_id": {"$in": sorted(self.wabas)}}]}

    def by_number(self, query: Document) -> Document:
        """Return a query narrowed to documents with the `phone_number_id` of a number that is reached."""
        return query if self.numbers is None else {"$and": [query, {"phone_number_id": {"$in": sorted(self.numbers)}}]}

    def by_maker(self, query: Document) -> Document:
        """Return a query narrowed to what no account owns: for a test key, to what test keys made.

        Also where all accounts are a sandbox's: a live one may come any day, and is served by what live keys made.
        """
        return {"$and": [query, {"mode": TEST}]} if self.test else query


EVERYTHING = Reach(test=False)  # what a live key reaches
ALL_ACCOUNTS = Reach()  # what a test key reaches where all accounts are a sandbox's


def reach_of(accounts: Iterable[Mapping[str, Any]], numbers: Iterable[Mapping[str, Any]]) -> Reach:
    """Return what a test key of a tenant reaches that has these accounts and numbers.

    All of them, where all accounts are a sandbox's: then there is nothing to leave out. An account of which it is not
    known, and one that was connected both ways, is no sandbox's.
    """
    rows = list(accounts)
    live = {row["waba_id"] for row in rows if not row.get("sandbox", False)}
    wabas = frozenset(row["waba_id"] for row in rows) - live
    if wabas and not live:
        return ALL_ACCOUNTS
    return Reach(wabas, frozenset(row["_id"] for row in numbers if row["waba_id"] in wabas), others=bool(live))
