"""Who may have how many of the places for thinking. Pure."""

from collections import Counter


class Places:
    """`at_once` turns in all, so many of one tenant, and of one bot: an endpoint that hangs keeps its own people
    waiting before it keeps its tenant's, and those before another's.
    """

    def __init__(self, at_once: int, per_tenant: int, per_bot: int) -> None:
        self._at_once = at_once
        self._per_tenant = per_tenant
        self._per_bot = per_bot
        self._of_tenant: Counter[str] = Counter()
        self._of_bot: Counter[str] = Counter()

    def full(self) -> bool:
        """Tell whether there is no place at all."""
        return self._of_tenant.total() >= self._at_once

    def busy_tenants(self) -> list[str]:
        """Return the tenants that have all that they may have."""
        return [tenant for tenant, count in self._of_tenant.items() if count >= self._per_tenant]

    def busy_bots(self) -> list[str]:
        """Return the bots that have all that they may have."""
        return [bot_id for bot_id, count in self._of_bot.items() if count >= self._per_bot]

    def take(self, tenant: str, bot_id: str) -> None:
        """Take a place."""
        self._of_tenant[tenant] += 1
        self._of_bot[bot_id] += 1

    def leave(self, tenant: str, bot_id: str) -> None:
        """Give it back."""
        for counted, name in ((self._of_tenant, tenant), (self._of_bot, bot_id)):
            counted[name] -= 1
            if not counted[name]:
                del counted[name]
