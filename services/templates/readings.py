"""Reading what Meta says of templates. Pure: no I/O, no clock."""

from typing import Any

Document = dict[str, Any]

# Meta's events that name a status by another word.
_STATUS_OF_EVENT = {"REINSTATED": "APPROVED", "FLAGGED": "APPROVED", "UNPAUSED": "APPROVED"}
LONGEST_WORD = 64  # characters; Meta's statuses, categories and scores have at most 25
LONGEST_NAME = 512  # characters of a template's name, Meta's limit
LONGEST_REASON = 1024  # characters; Meta gives a word
# Meta lists a deleted template for up to 30 days while messages with it are still delivered; nothing new is sent.
GONE = frozenset({"DELETED", "PENDING_DELETION"})


def projection(said: Document) -> Document:
    """Return what we keep of a template as Graph lists it."""
    quality = said.get("quality_score")
    score = quality.get("score") if isinstance(quality, dict) else quality
    reason = said.get("rejected_reason")
    return {
        "meta_id": str(said["id"]),
        "name": str(said["name"]),
        "language": str(said["language"]),
        "status": str(said.get("status", "PENDING")).upper(),
        "category": str(said.get("category", "")).upper(),
        "quality": str(score or "UNKNOWN").upper(),
        "rejected_reason": _reason(reason),
        "parameter_format": str(said.get("parameter_format") or "POSITIONAL").upper(),
        "components": said.get("components") or [],
        "message_send_ttl_seconds": said.get("message_send_ttl_seconds"),
    }


def webhook_changes(field: str, value: Document) -> Document:
    """Return what a webhook changes in the projection; empty where it changes nothing that we keep."""
    if field == "message_template_status_update":
        event = _word(value.get("event"))
        changes: Document = {"status": _STATUS_OF_EVENT.get(event, event)} if event else {}
        if event == "REJECTED":
            changes["rejected_reason"] = _reason(value.get("reason"))
        if category := _word(value.get("message_template_category")):
            changes["category"] = category
        return changes
    if field == "message_template_quality_update":
        score = _word(value.get("new_quality_score"))
        return {"quality": score} if score else {}
    if field == "template_category_update":
        if category := _word(value.get("new_category")):
            return {"category": category, "announced_category": None}
        if category := _word(value.get("correct_category")):  # announced about a day ahead
            return {"announced_category": category}
    return {}


def _word(said: object) -> str:
    """Return one of Meta's words in capitals; empty where it is none: what a tenant's own app signs may be anything."""
    return said.upper() if isinstance(said, str) and len(said) <= LONGEST_WORD else ""


def _reason(said: object) -> str | None:
    return said[:LONGEST_REASON] if isinstance(said, str) and said and said != "NONE" else None


def identity(value: Document) -> tuple[str, str, str]:
    """Return (Meta's id, name, language) of the template that a webhook is about.

    Meta writes the id as a JSON number, and the language sometimes as `en-US`.
    """
    meta_id = value.get("message_template_id")
    name = str(value.get("message_template_name", ""))
    language = str(value.get("message_template_language", ""))[:LONGEST_WORD].replace("-", "_")
    return str(meta_id)[:LONGEST_WORD] if isinstance(meta_id, int | str) else "", name[:LONGEST_NAME], language
