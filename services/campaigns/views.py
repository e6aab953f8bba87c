"""Campaigns, recipients and progress as callers see them."""

from collections.abc import Mapping
from typing import Any

from services.campaigns.audience import Report
from services.campaigns.states import CampaignStatus, allowed_in

Document = dict[str, Any]


def campaign_view(row: Document, counts: Mapping[str, int]) -> Document:
    """A campaign with its counts."""
    fields = (
        "name", "status", "phone_number_id", "waba_id", "components", "ttl", "rate_per_second", "budget",
        "pause_reason", "duplicates", "invalid", "created_at", "scheduled_at", "launched_at", "completed_at",
    )  # fmt: skip
    template = row["template"]
    return (
        {"id": row["_id"], "object": "campaign"}
        | {name: row.get(name) for name in fields}
        | {"template": template["name"], "language": template["language"], "category": template["category"]}
        | {"recipients": sum(counts.values()), "counts": dict(counts)}
        | {"allowed": allowed_in(CampaignStatus(row["status"]))}
    )


def report_view(report: Report) -> Document:
    """What became of the rows of one call."""
    return {
        "object": "recipients_report", "added": report.added, "duplicates": report.duplicates,
        "invalid": report.invalid, "errors": [{"path": it.path, "message": it.message} for it in report.errors],
    }  # fmt: skip


def recipient_view(row: Document) -> Document:
    """One recipient."""
    fields = ("to", "state", "round", "message_id", "components", "error", "added_at")
    return {"id": row["_id"], "object": "campaign_recipient"} | {name: row.get(name) for name in fields}


def progress_view(row: Document, counts: Mapping[str, int], errors: list[Document]) -> Document:
    """How far a campaign is: every recipient is counted in exactly one state."""
    return {
        "id": row["_id"], "object": "campaign_progress", "status": row["status"],
        "pause_reason": row.get("pause_reason"), "recipients": sum(counts.values()), "counts": dict(counts),
        "errors": [{"code": it["_id"], "count": it["count"]} for it in errors],
    }  # fmt: skip
