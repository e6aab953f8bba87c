"""Reading what Meta says of templates. Pure: no I/O, no clock."""

from typing import Any

Document = dict[str, Any]

# Meta's events that name a status by another word.
_STATUS_OF_EVENT = {"REINSTATED": "APPROVED", "FLAGGED": "APPROVED", "UNPAUSED": "APPROVED"}
GONE = frozenset({"DELETED"})


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
        "rejected_reason": reason if reason not in (None, "NONE") else None,
        "parameter_format": str(said.get("parameter_format") or "POSITIONAL").upper(),
        "components": said.get("components") or [],
        "message_send_ttl_seconds": said.get("message_send_ttl_seconds"),
    }


def webhook_changes(field: str, value: Document) -> Document:
    """Return what a webhook changes in the projection; empty where it changes nothing that we keep."""
    if field == "message_template_status_update":
        event = str(value.get("event", "")).upper()
        reason = value.get("reason")
        changes: Document = {"status": _STATUS_OF_EVENT.get(event, event)} if event else {}
        if event == "REJECTED":
            changes["rejected_reason"] = reason if reason not in (None, "NONE") else None
        if category := value.get("message_template_category"):
            changes["category"] = str(category).upper()
        return changes
    if field == "message_template_quality_update":
        score = value.get("new_quality_score")
        return {"quality": str(score).upper()} if score else {}
    if field == "template_category_update":
        if (category := value.get("new_category")) is not None:
            return {"category": str(category).upper(), "announced_category": None}
        if (category := value.get("correct_category")) is not None:  # announced about a day ahead
            return {"announced_category": str(category).upper()}
    return {}


def identity(value: Document) -> tuple[str, str, str]:
    """Return (Meta's id, name, language) of the template that a webhook is about.

    Meta writes the id as a JSON number, and the language sometimes as `en-US`.
    """
    meta_id = value.get("message_template_id")
    name = str(value.get("message_template_name", ""))
    language = str(value.get("message_template_language", "")).replace("-", "_")
    return str(meta_id) if meta_id is not None else "", name, language
