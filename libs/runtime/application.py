"""What a service is made of: parts that start in order and stop in reverse, and an HTTP side."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Check = Callable[[], Awaitable[bool]]


class Part(Protocol):
    """Something with a life: a client, a producer, a consumer, a loop."""

    async def start(self) -> None:
        """Make it work, or raise."""
        ...

    async def stop(self) -> None:
        """Finish what was begun, let go of the rest."""
        ...


@dataclass
class Application:
    """One process: its name, its HTTP side, its parts in the order they start, and what readiness asks."""

    name: str
    http: Any
    parts: Sequence[Part] = ()
    checks: dict[str, Check] = field(default_factory=dict)
    stopping: bool = False

    async def readiness(self) -> dict[str, bool]:
        """Ask every check; a check that raises says no."""
        if self.stopping:
            return {"running": False}
        return {name: await _holds(check) for name, check in self.checks.items()}


async def _holds(check: Check) -> bool:
    try:
        return await check()
    except Exception:
        return False
