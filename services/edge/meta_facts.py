"""What Meta says of accounts and numbers, as we keep it."""

import re
from typing import Any

Facts = dict[str, Any]

STANDARD = 80  # messages per second of a number (Meta's default)
HIGH = 1_000  # after Meta's upgrade
WITH_APP = 20  # of a number shared with the WhatsApp Business app

LONGEST = 512  # characters of anything that Graph calls by a word; its longest names have 100
MOST_PROBLEMS = 20  # of a number's health: Meta names one or two
LARGEST = 10**9  # unique people: more than there are to write to is unlimited

# Unique people per rolling 24 hours and portfolio: `TIER_250`, `TIER_2K`. Meta has changed the steps before.
_TIER = re.compile(r"TIER_([0-9]{1,9})(K?)")

# Meta's number status -> may it send. A flagged number still sends.
STOPPED = {"BANNED", "DISCONNECTED", "MIGRATED", "DELETED", "PENDING"}


def account_facts(said: Facts) -> Facts:
    """Keep what Graph says of a WABA."""
    owner = said.get("owner_business_info")
    facts = {
        "name": _plain(said.get("name")),
        "meta_status": _plain(said.get("status")),
        "currency": _plain(said.get("currency")),
        "country": _plain(said.get("country")),
        "timezone_id": _plain(said.get("timezone_id")),
        "review_status": _plain(said.get("account_review_status")),
        "business_verification_status": _plain(said.get("business_verification_status")),
        "portfolio_id": str(owner["id"])[:LONGEST] if isinstance(owner, dict) and owner.get("id") else None,
    }
    tier = said.get("whatsapp_business_manager_messaging_limit")
    return facts | ({"messaging_limit": limit_of(tier)} if tier is not None else {})


def _plain(said: object) -> str | int | None:
    """Return a text or a number of Graph's, None where it is neither: its answers are not to be trusted."""
    if isinstance(said, str):
        return said[:LONGEST]
    return said if isinstance(said, int) and abs(said) <= LARGEST else None


def limit_of(tier: object) -> int | None:
    """Read a messaging limit: a tier's name or a number (-1 is unlimited); an unknown one is unlimited to us.

    Meta enforces the limit itself; ours only avoids sends that would fail.
    """
    if isinstance(tier, dict):
        tier = tier.get("tier") or tier.get("current_limit")
    if isinstance(tier, int):
        return tier if 0 <= tier <= LARGEST else None
    found = _TIER.fullmatch(str(tier))
    return int(found[1]) * (1_000 if found[2] else 1) if found else None


def number_facts(said: Facts) -> Facts:
    """Keep what Graph says of a number; `_id` is its Graph id."""
    state = str(said.get("status") or "CONNECTED").upper()
    return {
        "_id": str(said["id"]),
        "display_phone_number": str(_plain(said.get("display_phone_number")) or ""),
        "verified_name": _plain(said.get("verified_name")),
        "name_status": _plain(said.get("name_status")),
        "quality_rating": _plain(said.get("quality_rating")),
        "code_verification_status": _plain(said.get("code_verification_status")),
        "meta_status": state[:LONGEST],
        "status": "stopped" if state in STOPPED else "connected",
        "throughput": throughput_of(said),
        "messaging_limit": _plain(said.get("whatsapp_business_manager_messaging_limit")),
        "health": _health_of(said),
    }


def needs_registration(said: Facts) -> bool:
    """Tell whether Meta asks for the number to be registered for the Cloud API before it can send.

    Source: a number added by Embedded Signup is `PENDING` until then; one shared with the WhatsApp Business app is
    registered there and must not be.
    """
    if said.get("is_on_biz_app") is True:
        return False
    return str(said.get("status")).upper() == "PENDING" or said.get("platform_type") == "NOT_APPLICABLE"


def _health_of(said: Facts) -> Facts | None:
    """Keep what Meta says of whether it can send, and why not."""
    health = said.get("health_status")
    if not isinstance(health, dict):
        return None
    entities = health.get("entities")
    errors = [
        {"code": _plain(error.get("error_code")), "description": _plain(error.get("error_description")),
         "solution": _plain(error.get("possible_solution"))}
        for entity in (entities if isinstance(entities, list) else [])[:MOST_PROBLEMS] if isinstance(entity, dict)
        for error in _rows(entity.get("errors"))
    ]  # fmt: skip
    return {"can_send_message": _plain(health.get("can_send_message")), "errors": errors[:MOST_PROBLEMS]}


def _rows(said: object) -> list[Facts]:
    return [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []


def throughput_of(said: Facts) -> int:
    """Return messages per second from Meta's `throughput.level`, or a number where one is told."""
    throughput = said.get("throughput")
    level = throughput.get("level") if isinstance(throughput, dict) else throughput
    if isinstance(level, int) and 0 < level <= LARGEST:
        return level
    if said.get("is_on_biz_app") is True:
        return WITH_APP
    return HIGH if str(level).upper() == "HIGH" else STANDARD
