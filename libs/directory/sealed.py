"""Where encrypted text lies: each store names its places, so that all of it can be encrypted anew with another key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


def _own_tenant(row: Document) -> str:
    return str(row["tenant"])


@dataclass(frozen=True, slots=True)
class Sealed:
    """One place of a collection: `path` leads to the text, `field` says the name under which it is encrypted.

    `many` where the first part of the path is a list of documents, each with such a text.
    """

    collection: str
    path: str
    field: Callable[[Document], str]
    many: bool = False
    tenant: Callable[[Document], str] = _own_tenant

    @property
    def name(self) -> str:
        """Return what people read of it."""
        return f"{self.collection}.{self.path}"

    def not_sealed_with(self, key_id_pattern: str) -> dict[str, Any]:
        """Return the query of the documents with a text that begins otherwise than the pattern says."""
        return self._where({"$gt": "", "$not": {"$regex": key_id_pattern}})

    def sealed_with(self, key_id_pattern: str) -> dict[str, Any]:
        """Return the query of the documents with a text that begins as the pattern says."""
        return self._where({"$regex": key_id_pattern})

    def texts(self, row: Document) -> list[str]:
        """Return the encrypted texts of a document at this place."""
        first, _, rest = self.path.partition(".")
        found = row.get(first)
        holders = (found or []) if self.many else [found]
        texts = [_at(each, rest) for each in holders]
        return [text for text in texts if isinstance(text, str) and text]

    def replacing(self, old: str) -> tuple[dict[str, Any], str]:
        """Return the query that finds the old text still there, and the path by which it is replaced."""
        first, _, rest = self.path.partition(".")
        return {self.path: old}, f"{first}.$.{rest}" if self.many else self.path

    def _where(self, condition: dict[str, Any]) -> dict[str, Any]:
        first, _, rest = self.path.partition(".")
        return {first: {"$elemMatch": {rest: condition}}} if self.many else {self.path: condition}


def _at(value: object, path: str) -> object:
    for part in filter(None, path.split(".")):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
