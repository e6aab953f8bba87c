"""How the Graph API shows its objects: default fields, and the ones that are asked for."""

import re
from datetime import UTC, datetime
from typing import Any

from services.sandbox.model import Account, Number, Portfolio, Template

_NAME = re.compile(r"^[a-z_0-9]+")
LEVELS = ((1000, "HIGH"), (0, "STANDARD"))  # messages per second and the name Meta gives them
TIERS = {
    250: "TIER_250",
    1000: "TIER_1K",
    2000: "TIER_2K",
    10_000: "TIER_10K",
    100_000: "TIER_100K",
    None: "TIER_UNLIMITED",
}

ACCOUNT_FIELDS = ("name", "timezone_id", "message_template_namespace")
NUMBER_FIELDS = (
    "verified_name", "code_verification_status", "display_phone_number", "quality_rating", "platform_type",
    "throughput", "last_onboarded_time", "webhook_configuration",
)  # fmt: skip
TEMPLATE_FIELDS = ("name", "parameter_format", "components", "language", "status", "category")


def chosen(known: dict[str, Any], asked: str | None, default: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that are asked for (`a,b{c}`), or the default ones; `id` always comes along."""
    names = _names(asked) if asked else list(default)
    picked = {name: known[name] for name in names if known.get(name) is not None and name != "id"}
    return picked | {"id": known["id"]}


def _names(asked: str) -> list[str]:
    flat = re.sub(r"\{[^{}]*\}", "", asked)
    return [match[0] for part in flat.split(",") if (match := _NAME.match(part.strip()))]


def tier(portfolio: Portfolio) -> str:
    """Return the name of a portfolio's messaging limit."""
    return TIERS.get(portfolio.messaging_limit, f"TIER_{portfolio.messaging_limit}")


def throughput_level(number: Number) -> str:
    """Return the name of a number's throughput."""
    return next(name for least, name in LEVELS if number.throughput >= least)


def account_fields(account: Account, portfolio: Portfolio) -> dict[str, Any]:
    """Return every field of an account."""
    return {
        "id": account.id,
        "name": account.name,
        "status": account.status,
        "currency": account.currency,
        "country": account.country,
        "timezone_id": "1",
        "message_template_namespace": account.namespace,
        "account_review_status": account.review_status,
        "business_verification_status": "verified",
        "ownership_type": "CLIENT_OWNED",
        "primary_business_location": account.country,
        "primary_funding_id": "1",
        "is_enabled_for_insights": False,
        "whatsapp_business_manager_messaging_limit": tier(portfolio),
        "owner_business_info": {"name": portfolio.name, "id": portfolio.id},
        "health_status": _health("WABA", account.id, account.ban_state == "DISABLE"),
    }


def number_fields(number: Number, portfolio: Portfolio, callback: str) -> dict[str, Any]:
    """Return every field of a number; `callback` is the app's, without overrides."""
    webhooks = {"application": callback} | (
        {"phone_number": number.callback_override} if number.callback_override else {}
    )
    return {
        "id": number.id,
        "verified_name": number.verified_name,
        "display_phone_number": number.display,
        "code_verification_status": "VERIFIED" if number.verified else "NOT_VERIFIED",
        "quality_rating": number.quality,
        "platform_type": "CLOUD_API" if number.registered else "NOT_APPLICABLE",
        "host_platform": "CLOUD_API",
        "throughput": {"level": throughput_level(number)},
        "last_onboarded_time": graph_time(number.last_onboarded),
        "webhook_configuration": webhooks,
        "status": number.status if number.registered else "PENDING",
        "name_status": "APPROVED",
        "account_mode": "LIVE" if number.allowed is None else "SANDBOX",
        "is_official_business_account": False,
        "is_pin_enabled": number.pin is not None,
        "is_on_biz_app": number.is_on_biz_app,
        "country_dial_code": "1",
        "messaging_limit_tier": tier(portfolio),
        "whatsapp_business_manager_messaging_limit": tier(portfolio),
        "health_status": _health("PHONE_NUMBER", number.id, number.status == "BANNED"),
    }


def template_fields(template: Template) -> dict[str, Any]:
    """Return every field of a template."""
    return {
        "id": template.id,
        "name": template.name,
        "parameter_format": template.parameter_format,
        "components": template.components,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "previous_category": template.previous_category,
        "correct_category": template.correct_category,
        "rejected_reason": template.rejected_reason,
        "quality_score": {"score": template.quality, "date": int(template.updated_at)},
        "message_send_ttl_seconds": template.ttl_seconds,
        "last_updated_time": graph_time(template.updated_at),
    }


def graph_time(moment: float) -> str:
    """Print seconds since 1970 as the Graph API does: `2026-11-23T09:30:00+0000`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _health(kind: str, object_id: str, blocked: bool) -> dict[str, Any]:
    state = "BLOCKED" if blocked else "AVAILABLE"
    return {"can_send_message": state, "entities": [{"entity_type": kind, "id": object_id, "can_send_message": state}]}
