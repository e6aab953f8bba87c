"""How endpoints and deliveries look to callers: only what is listed here goes out."""

from typing import Any

Document = dict[str, Any]


def endpoint(row: Document) -> Document:
    """An endpoint, without its secrets."""
    fields = (
        "mode", "url", "description", "events", "phone_number_ids", "status", "disabled_reason", "disabled_at",
        "failing_since", "failures", "last_success_at", "last_failure_at", "created_at", "updated_at",
    )  # fmt: skip
    return {"id": row["_id"], "object": "webhook_endpoint"} | {name: row.get(name) for name in fields}


def delivery(row: Document) -> Document:
    """A delivery with its latest attempts."""
    return {
        "id": row["_id"],
        "object": "webhook_delivery",
        "endpoint_id": row["endpoint_id"],
        "event_id": row["event_id"],
        "event_type": row["type"],
        "status": row["state"],
        "attempt_count": row["attempt_count"],
        "attempts": [_attempt(each) for each in row["log"]],
        "next_attempt_at": row.get("due"),
        "event_at": row["event_at"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
    }


def _attempt(said: Document) -> Document:
    return {name: said.get(name) for name in ("at", "status_code", "duration_ms", "error", "answer")}
