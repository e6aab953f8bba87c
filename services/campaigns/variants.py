"""Variants: which of a campaign's messages a recipient gets, decided by a hash, the same each time it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALL = "all"  # the one variant of a campaign without variants
HOLD_OUT = "hold_out"  # the name under which those who get none are counted
_DIGITS = 12  # hexadecimal digits of a row's id that decide: the last ones, all random

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the messages: its template (`name`, `language`, `category`), and its values for who brings none."""

    name: str
    share: int
    template: Document
    components: list[Document] | None


class Split:
    """The variants of one campaign with their shares. One without variants has a single one, which is not named."""

    def __init__(self, campaign: Mapping[str, Any]) -> None:
        given = campaign.get("variants") or []
        self.named = bool(given) or bool(campaign.get("hold_out"))
        self.variants = [Variant(**each) for each in given] or [
            Variant(ALL, 1, campaign["template"], campaign.get("components"))
        ]
        self._held_out = campaign.get("hold_out") or 0  # percent
        self._shares = sum(each.share for each in self.variants)

    def of(self, row_id: str) -> Variant | None:
        """Return the variant of a recipient, None for who is held out."""
        if not self.named:
            return self.variants[0]
        place = int(row_id[-_DIGITS:], 16) / 16**_DIGITS * 100
        if place < self._held_out:
            return None
        place = (place - self._held_out) / (100 - self._held_out) * self._shares
        for each in self.variants:
            if (place := place - each.share) < 0:
                return each
        return self.variants[-1]

    def counted_as(self, row_id: str) -> str | None:
        """Return the name that a recipient is counted under beside the whole, None where there are no variants."""
        if not self.named:
            return None
        variant = self.of(row_id)
        return variant.name if variant is not None else HOLD_OUT
