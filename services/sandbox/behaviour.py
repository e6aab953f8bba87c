"""How the simulated world behaves where Meta leaves it open: delays, shares, and which limits hold."""

import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any

LONGEST_DELAY = 30 * 24 * 3600.0  # seconds Meta keeps an undelivered message


@dataclass
class Delay:
    """Seconds between two bounds, evenly spread; a constant has equal bounds."""

    low: float
    high: float

    @classmethod
    def read(cls, wish: Any) -> "Delay":
        """Read seconds or `{"min", "max"}`; raises ValueError when it is neither or out of 0 to 30 days."""
        low: Any
        high: Any
        low, high = (wish.get("min"), wish.get("max")) if isinstance(wish, dict) else (wish, wish)
        if not all(isinstance(bound, int | float) and 0 <= bound <= LONGEST_DELAY for bound in (low, high)):
            raise ValueError("a delay is seconds or {min, max} in seconds, from 0 to 30 days")
        return cls(float(low), max(float(low), float(high)))

    def draw(self, dice: random.Random) -> float:
        """Return one delay in seconds."""
        return self.low + (self.high - self.low) * dice.random()

    def shown(self) -> Any:
        """Return it the way it is written in a control call."""
        return self.low if self.low == self.high else {"min": self.low, "max": self.high}


@dataclass
class Timing:
    """Delays of the statuses (each after the one before) and shares of what people do."""

    sent: Delay = field(default_factory=lambda: Delay(0.1, 0.3))
    delivered: Delay = field(default_factory=lambda: Delay(0.1, 0.5))
    read: Delay = field(default_factory=lambda: Delay(0.1, 0.5))
    answer: Delay = field(default_factory=lambda: Delay(0.5, 1.0))
    read_share: float = 0.3
    answer_share: float = 0.0
    answer_text: str = "ok"
    # measured in public traffic: 49 of 53 `sent` carried pricing; `delivered` is left without it, the harder case
    pricing_on_sent: float = 0.93
    pricing_on_delivered: float = 0.0
    pricing_on_read: float = 0.5
    review: Delay | None = None  # a new template is approved by itself after this; None: only by a control call

    def change(self, wish: dict[str, Any]) -> None:
        """Take over the fields that are given; raises ValueError, changing nothing, when one does not fit."""
        changed: dict[str, Any] = {}
        for entry in fields(self):
            if entry.name in wish:
                changed[entry.name] = self._read(entry.name, wish[entry.name])
        for name, value in changed.items():
            setattr(self, name, value)

    def _read(self, name: str, wish: Any) -> Any:
        if name == "review" and wish is None:
            return None
        if name in ("sent", "delivered", "read", "answer", "review"):
            return Delay.read(wish)
        if name == "answer_text":
            return str(wish)
        if not isinstance(wish, int | float) or not 0 <= wish <= 1:
            raise ValueError(f"{name} is a share from 0 to 1")
        return float(wish)

    def shown(self) -> dict[str, Any]:
        """Return all fields as a control call writes them."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value.shown() if isinstance(value, Delay) else value for name, value in values.items()}


@dataclass
class Limits:
    """Which of Meta's limits hold; `marketing_per_user` is the dynamic cap that Meta does not publish (off)."""

    throughput: bool = True
    pair_rate: bool = True
    messaging_limit: bool = True
    management_calls: bool = True
    registrations: bool = True
    marketing_per_user: int | None = None  # marketing templates that one person gets in 24 h, then 131049
    messaging_limit_code: int = 131048  # Meta does not document which code an exhausted limit fails with

    def change(self, wish: dict[str, Any]) -> None:
        """Take over the fields that are given; raises ValueError when one does not fit."""
        for entry in fields(self):
            if entry.name not in wish:
                continue
            value = wish[entry.name]
            number = entry.name in ("marketing_per_user", "messaging_limit_code")
            if (number and not (value is None or type(value) is int)) or (not number and type(value) is not bool):
                raise ValueError(f"{entry.name} is {'a number' if number else 'true or false'}")
            setattr(self, entry.name, value)

    def shown(self) -> dict[str, Any]:
        """Return all fields."""
        return asdict(self)
