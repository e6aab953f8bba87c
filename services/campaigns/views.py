"""Campaigns, recipients and progress as callers see them."""

from collections.abc import Mapping
from typing import Any

from services.campaigns.audience import Report
from services.campaigns.states import CampaignStatus, allowed_in, message_id_of, state_of
from services.campaigns.variants import Split

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


def recipient_view(row: Document, campaign: Document) -> Document:
    """One recipient."""
    split = Split(campaign)
    return {
        "id": row["_id"], "object": "campaign_recipient", "to": row["to"], "state": state_of(row, campaign).value,
        "variant": split.counted_as(row["_id"]), "round": row["round"], "message_id": message_id_of(row, campaign),
        "components": row.get("components"), "error": row.get("error"), "added_at": row.get("added_at"),
    }  # fmt: skip


def progress_view(row: Document, counts: Mapping[str, int], errors: list[Document]) -> Document:
    """How far a campaign is: every recipient is counted in exactly one state."""
    return {
        "id": row["_id"], "object": "campaign_progress", "status": row["status"],
        "pause_reason": row.get("pause_reason"), "recipients": sum(counts.values()), "counts": dict(counts),
        "errors": [{"code": it["_id"], "count": it["count"]} for it in errors],
    }  # fmt: skip
