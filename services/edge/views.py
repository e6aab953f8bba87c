"""How accounts, numbers, keys, tenants and messages look to callers: only what is listed here goes out."""

import json
from typing import Any

from libs.events.messages import MessageStatus
from libs.ledger.states import history_of, status_of
from libs.runtime.clock import rfc3339

Document = dict[str, Any]


def accepted(document: Document) -> Document:
    """The answer of a message that was queued (and of its replay: the first answer again)."""
    answer = {
        "id": document["_id"],
        "object": "message",
        "status": MessageStatus.QUEUED.value,
        "to": document.get("recipient"),
        "phone_number_id": document["phone_number_id"],
        "client_ref": document.get("client_ref"),
        "created_at": rfc3339(document["created_at"]),
    }
    return answer | {"send_at": rfc3339(document["send_at"])} if "send_at" in document else answer


def message(document: Document, decided: Document | None = None) -> Document:
    """A message as it is read: inbound, with what a bot decided on it, or outbound; with its whole history."""
    shared = {
        "id": document["_id"],
        "object": "message",
        "direction": document["direction"],
        "type": document["type"],
        "phone_number_id": document["phone_number_id"],
        "waba_id": document["waba_id"],
        "conversation_id": document["conversation_id"],
        "contact_id": document["contact_id"],
        "created_at": document["created_at"],
        "forgotten": document.get("forgotten", False),
    }
    return shared | (_inbound(document, decided) if document["direction"] == "inbound" else _outbound(document))


def _decision(document: Document | None) -> Document | None:
    """What a bot decided on an inbound message; None where no bot was asked."""
    if document is None:
        return None
    fields = ("bot_id", "at", "outcome", "rule", "handover", "answered_with", "thought", "refused")
    return {name: document.get(name) for name in fields} | {"answer_ids": document.get("answers", [])}


def _inbound(document: Document, decided: Document | None) -> Document:
    referral = document.get("referral")
    return {
        "status": "received",
        "from": document.get("sender"),
        "user_id": document.get("user_id"),
        "profile_name": document.get("profile_name"),
        "wamid": next(iter(document.get("wamids", ())), None),
        "content": json.loads(document.get("content", "null")),
        "context_wamid": document.get("context_wamid"),
        "group_id": document.get("group_id"),
        "referral": json.loads(referral) if referral else None,
        "at": document["at"],
        "bot_decision": _decision(decided),
    }


def _outbound(document: Document) -> Document:
    content = json.loads(document.get("content", "{}"))
    wamids = document.get("wamids") or []
    return {
        "status": status_of(document).value,
        "to": document.get("recipient"),
        "lane": document["lane"],
        "content": content.get(document["type"]),
        "template": document.get("template"),
        "client_ref": document.get("client_ref"),
        "campaign_id": document.get("campaign_id"),
        "wamid": wamids[-1] if wamids else None,
        "wamids": wamids,
        "attempts": sum(status is MessageStatus.SENDING for status, _ in history_of(document)),
        "error": _error(document) if status_of(document) is MessageStatus.FAILED else None,
        "unknown_reason": document.get("unknown_reason") if status_of(document) is MessageStatus.UNKNOWN else None,
        "pricing": document.get("pricing"),
        "conversation": document.get("conversation"),
        "expires_at": document["expires_at"],
        "send_at": document.get("send_at"),
        "not_before": document.get("not_before"),
        "reply_to": document.get("reply_to"),
        "history": [{"status": status.value, "at": at} for status, at in history_of(document)],
    }


def _error(document: Document) -> Document:
    """Why a message failed, in the shape that every refusal has."""
    error: Document = {"param": None, "retryable": False, "errors": [], "meta": None} | (document.get("error") or {})
    return error | {"request_id": document.get("correlation_id")}


def account(document: Document) -> Document:
    """A connected account, without its credentials."""
    fields = (
        "waba_id", "name", "status", "stop_reason", "currency", "country", "timezone_id", "review_status",
        "business_verification_status", "portfolio_id", "messaging_limit", "ban", "restrictions", "violation",
        "connected_at", "updated_at",
    )  # fmt: skip
    return {"id": document["_id"], "object": "account"} | {name: document.get(name) for name in fields}


def onboarding(document: Document) -> Document:
    """An onboarding: how far it came, and why no further."""
    fields = ("way", "waba_id", "phone_number_id", "created_at", "updated_at")
    head = {"id": document["_id"], "object": "onboarding", "status": document["state"]}
    return head | {name: document.get(name) for name in fields} | {"steps": document["steps"]}


def number(document: Document, account: Document | None) -> Document:
    """A connected number of an account: what it is, how fast it may send, and why it cannot."""
    fields = (
        "waba_id", "display_phone_number", "verified_name", "name_status", "quality_rating", "messaging_limit",
        "throughput", "code_verification_status", "meta_status", "status", "stop_reason", "health", "created_at",
        "updated_at", "bot_id",
    )  # fmt: skip
    head = {"id": document["_id"], "object": "phone_number", "phone_number_id": document["_id"]}
    reasons = _obstacles(document, account)
    more = {
        "autoreply": document.get("autoreply", False), "two_step_pin_kept": "pin" in document,
        "can_send": not reasons, "cannot_send_because": reasons,
    }  # fmt: skip
    return head | {name: document.get(name) for name in fields} | more


def _obstacles(number: Document, account: Document | None) -> list[str]:
    """Return why nothing can be sent from a number now, in words a program can switch on."""
    found = []
    if account is None or account["status"] != "active":
        found.append((account or {}).get("stop_reason") or "account_not_connected")
    if number["status"] != "connected":
        found.append(number.get("stop_reason") or str(number.get("meta_status") or "not_connected").lower())
    if (number.get("health") or {}).get("can_send_message") == "BLOCKED":
        found.append("blocked_by_meta")
    return found


def key(document: Document) -> Document:
    """An API key as it is listed: its prefix and last four characters, never its secret."""
    fields = (
        "tenant", "name", "mode", "scopes", "last4", "allowed_addresses", "rate_per_second", "created_at", "expires_at",
        "revoked_at", "last_used_at",
    )  # fmt: skip
    prefix = f"cm_{document['mode']}_{document['_id']}"
    return {"id": document["_id"], "object": "key", "prefix": prefix} | {name: document.get(name) for name in fields}


def tenant(document: Document) -> Document:
    """A tenant."""
    return {"id": document["_id"], "object": "tenant", "name": document["name"], "created_at": document["created_at"]}
