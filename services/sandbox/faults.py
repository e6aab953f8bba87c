"""Faults that the sandbox was told to play, and how often each has fired."""

import itertools
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from services.sandbox.identifiers import digits_of

# Where a fault strikes: instead of or after accepting a message, or on the way of a webhook.
SENDING = ("refuse", "error", "http_5xx", "slow", "accept_then_reset", "accept_no_answer", "webhooks_early")
WEBHOOKS = (
    "webhooks_late", "webhooks_doubled", "webhooks_shuffled", "webhooks_dropped", "webhooks_batched",
    "webhooks_badly_signed",
)  # fmt: skip
KINDS = SENDING + WEBHOOKS


@dataclass
class Fault:
    """One fault: of all it could strike it takes a share, the next `count`, or a share until `count` is used up."""

    id: int
    kind: str
    share: float = 1.0
    count: int | None = None
    phone_number_id: str | None = None
    to: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    fired: int = 0

    def number(self, name: str, default: float) -> float:
        """Return an option that is a number, or its default."""
        value = self.options.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def shown(self) -> dict[str, Any]:
        """Return it as the control side lists it."""
        shown = asdict(self)
        return {**shown.pop("options"), **shown}


class Faults:
    """The faults in force, in the order they were added."""

    def __init__(self, dice: random.Random, known: list[dict[str, Any]], keep: Callable[[Fault], None]) -> None:
        self._dice, self._keep = dice, keep
        self.all: dict[int, Fault] = {doc["id"]: Fault(**doc) for doc in known}
        self._ids = itertools.count(max(self.all, default=0) + 1)
        self._kinds = {fault.kind for fault in self.all.values()}

    def add(self, wish: dict[str, Any]) -> Fault:
        """Put a fault in force; raises ValueError when the kind is unknown or share or count does not fit."""
        kind, share, count = wish.get("kind"), wish.get("share"), wish.get("count")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
            raise ValueError("share is a number from 0 to 1")
        if count is not None and (type(count) is not int or count < 0):
            raise ValueError("count is a whole number")
        known = ("kind", "share", "count", "phone_number_id", "to", "id", "fired")
        options = {name: value for name, value in wish.items() if name not in known}
        to = wish.get("to")
        fault = Fault(
            next(self._ids), kind, 1.0 if share is None else float(share), count, wish.get("phone_number_id"),
            (digits_of(str(to)) or str(to)) if to is not None else None, options,
        )  # fmt: skip
        self.all[fault.id] = fault
        self._kinds.add(kind)
        self._keep(fault)
        return fault

    def remove(self, fault_id: int) -> Fault | None:
        """Take a fault out of force and return it."""
        fault = self.all.pop(fault_id, None)
        self._kinds = {known.kind for known in self.all.values()}
        return fault

    def strike(
        self, kind: str, number_id: str | None = None, person: str | None = None, path: str | None = None
    ) -> Fault | None:
        """Return the fault of this kind that strikes now, counted, or None.

        One with a `path` strikes the calls whose path has it in it, and no send; any other strikes sends alone.
        """
        if kind not in self._kinds:
            return None
        for fault in self.all.values():
            if fault.kind == kind and self._fits(fault, number_id, person, path):
                fault.fired += 1
                self._keep(fault)
                return fault
        return None

    def _fits(self, fault: Fault, number_id: str | None, person: str | None, path: str | None) -> bool:
        part = fault.options.get("path")
        if (part is None) != (path is None) or (path is not None and str(part) not in path):
            return False
        if fault.count is not None and fault.fired >= fault.count:
            return False
        if fault.phone_number_id is not None and fault.phone_number_id != number_id:
            return False
        if fault.to is not None and fault.to != person:
            return False
        return fault.share >= 1 or self._dice.random() < fault.share
