"""Reading what users wrote, as the API lists it."""

from typing import Any

from tests.support.running import Number, Stack, until


def arrivals(stack: Stack, **filters: str) -> list[dict[str, Any]]:
    """Return all inbound messages that the filters find."""
    query = "".join(f"&{name}={value}" for name, value in filters.items())
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = stack.call("GET", f"/messages?direction=inbound&limit=100{query}{after}").json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
        after = f"&starting_after={rows[-1]['id']}"


def lands(stack: Stack, number: Number, who: str) -> dict[str, Any]:
    """Wait until somebody's message is stored, and return it."""
    found: list[dict[str, Any]] = until(
        lambda: arrivals(stack, phone_number_id=number.id, recipient=who), f"{who} was heard", 10
    )
    return found[0]
