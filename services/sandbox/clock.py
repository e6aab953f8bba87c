"""The sandbox's clock: the machine's, moved by as much as a test asks, so that windows and expiries can be seen."""

import time
from datetime import UTC, datetime
from typing import Any


class SandboxClock:
    """Seconds since 1970, with an offset that survives a restart."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Return the sandbox's time in seconds since 1970."""
        return time.time() + self.offset

    def machine(self) -> float:
        """Return the machine's time: what is to happen in so many real seconds is planned by it."""
        return time.time()

    def set(self, wish: dict[str, Any]) -> None:
        """Move the clock: `{"now": RFC 3339 or seconds}`, `{"advance_seconds": n}` or `{"offset_seconds": n}`.

        Raises ValueError when none of the three can be read.
        """
        if "now" in wish:
            self.offset = _moment(wish["now"]) - time.time()
        elif "advance_seconds" in wish:
            self.offset += float(wish["advance_seconds"])
        elif "offset_seconds" in wish:
            self.offset = float(wish["offset_seconds"])
        else:
            raise ValueError("give one of now, advance_seconds, offset_seconds")

    def shown(self) -> dict[str, Any]:
        """Return the time and the offset as the control side shows them."""
        return {"now": iso(self.now()), "offset_seconds": self.offset}


def iso(moment: float) -> str:
    """Print seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(wish: Any) -> float:
    if isinstance(wish, int | float):
        return float(wish)
    moment = datetime.fromisoformat(str(wish))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
