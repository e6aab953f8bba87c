"""How a dry run is printed for a person: who is written to and who is not, what it costs, how long it takes."""

from datetime import timedelta
from typing import Any

from services.console.printing import console, print_rows

COUNTS = (
    "eligible", "opted_out", "no_consent", "not_deliverable", "held_out", "duplicates", "invalid",
    "imports_incomplete",
)  # fmt: skip
COST = ("market", "category", "messages", "price", "amount")


def print_plan(plan: dict[str, Any]) -> None:
    """Print what a launch would do."""
    for name in COUNTS:
        if plan.get(name) or name == "eligible":
            console.print(f"{name.replace('_', ' '):<20} {plan.get(name)}", markup=False)
    for name in ("variants", "messaging_limit"):
        if isinstance(found := plan.get(name), dict):
            console.print(f"{name.replace('_', ' '):<20} {_pairs(found)}", markup=False)
    if (seconds := plan.get("seconds")) is not None:
        console.print(f"{'takes about':<20} {timedelta(seconds=round(seconds))}", markup=False)
    cost = plan["cost"]
    print_rows(cost["lines"], COST, as_json=False)
    unpriced = f", and {cost['unpriced_messages']} whose price nobody knows" if cost["unpriced_messages"] else ""
    words = f"{cost['amount']} {cost['currency']} at most{unpriced} (rate card {cost['rate_card']})"
    console.print(f"{'cost':<20} {words}", markup=False)


def _pairs(found: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items() if value is not None)
