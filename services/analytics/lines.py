"""Cost lines and billing conversations as they are kept: what was booked, and so what sums of costs are made of. Pure.

A line is never changed, but for the name of the one that replaces it. Meta's further word, or a new price, is a new
line.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.runtime.ids import derived_id, derived_time_id
from services.analytics.buckets import bucket_of
from services.analytics.charges import Charge
from services.analytics.stages import Row

MILLIONTHS = 1_000_000  # sums are whole millionths of a currency's unit
OF_MESSAGE = ("tenant", "message_id", "phone_number_id", "campaign_id", "template", "country")
PRICED_BY = ("market", "currency", "rate_card", "amount")

Document = dict[str, Any]


def line_of(
    rows: Sequence[Row], charge: Charge, opens: bool | None, replaces: str | None, now: datetime
) -> Document:  # fmt: skip
    """Return the line of a charge that was decided on.

    `opens` says of a message that is charged by its conversation whether it is the one that carries the price.
    """
    first = rows[0]
    return {name: first.get(name) for name in OF_MESSAGE} | {
        "_id": derived_time_id(charge.at, first["message_id"], replaces or ""),
        "wamid": next((row["wamid"] for row in reversed(rows) if row.get("wamid")), None),
        "at": charge.at,
        "booked_at": now,
        "billable": charge.billable,
        "category": charge.category,
        "pricing_model": charge.pricing_model,
        "pricing_type": charge.pricing_type,
        "market": charge.market,
        "currency": charge.currency,
        "rate_card": charge.rate_card,
        "amount": "0" if opens is False else _text(charge.amount),
        "billing_conversation": charge.conversation,
        "opens": opens,
        "replaces": replaces,
        "replaced_by": None,
    }


def says_another(line: Mapping[str, Any], charge: Charge, opens: bool | None) -> bool:
    """Tell whether a line that stands says another thing than Meta does now."""
    named = (line["category"], line["pricing_model"], line["pricing_type"], line["billing_conversation"])
    return (bucket_of(line["at"]), line["billable"], *named, line["opens"]) != (*charge.word, opens)


def is_priced_otherwise(line: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Tell whether a line that stands has another price than the one that would be made today."""
    return any(line[name] != made[name] for name in PRICED_BY)


def millionths(line: Mapping[str, Any]) -> int:
    """Return what a line costs in millionths of the currency's unit; 0 where nobody knows."""
    return int(Decimal(line["amount"] or 0) * MILLIONTHS)


def conversation_id(tenant: str, conversation: str) -> str:
    """Return our id of a billing conversation of Meta's."""
    return derived_id(tenant, conversation)


def conversation_after(known: Document | None, rows: Sequence[Row], charge: Charge | None) -> Document:
    """Return a billing conversation as it is after what is known of one of its messages.

    It is opened by the first message whose charge is decided on, or by the first that is charged, where those before
    were free; and it costs what that message's class does, also when Meta names another one later.
    """
    first = rows[0]
    named = [row for row in rows if row.get("billing")]
    made: Document = dict(known) if known is not None else {
        "_id": conversation_id(first["tenant"], named[0]["billing"]["id"]), "tenant": first["tenant"],
        "phone_number_id": first.get("phone_number_id"), "country": first.get("country"),
        "conversation": named[0]["billing"]["id"], "origin_type": None, "expires_at": None,
        "at": min(row["at"] for row in named), "opened_by": None, "pricing_model": None, "category": None,
        "billable": None, "amount": None,
    }  # fmt: skip
    for row in named:
        said = row["billing"]
        made |= {name: said[name] for name in ("origin_type", "expires_at") if said.get(name) is not None}
    if charge is None or charge.billable is None:
        return made
    if made["opened_by"] in (None, first["message_id"]) or (made["billable"] is False and charge.opens):
        known_to_cost = charge.opens or not charge.billable
        made |= {
            "opened_by": first["message_id"], "pricing_model": charge.pricing_model, "category": charge.category,
            "billable": charge.billable, "amount": _text(charge.amount) if known_to_cost else None,
        }  # fmt: skip
    return made


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
