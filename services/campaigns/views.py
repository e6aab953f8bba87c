"""Campaigns, recipients and progress as callers see them."""

from collections.abc import Mapping
from typing import Any

from services.campaigns.audience import Report
from services.campaigns.states import CampaignStatus, RecipientState, allowed_in, message_id_of, state_of
from services.campaigns.variants import Split

Document = dict[str, Any]


def campaign_view(row: Document, counts: Mapping[str, int]) -> Document:
    """A campaign with its counts."""
    fields = (
        "name", "status", "phone_number_id", "waba_id", "components", "variants", "hold_out", "require_consent", "ttl",
        "rate_per_second", "budget", "max_cost", "quiet_hours", "send_window", "protection",
        "auto_resume", "pause_reason", "waiting", "duplicates", "invalid", "created_at", "scheduled_at",
        "launched_at", "completed_at", "canceled_at",
    )  # fmt: skip
    template, allowed = row["template"], allowed_in(CampaignStatus(row["status"]))
    return (
        {"id": row["_id"], "object": "campaign"}
        | {name: row.get(name) for name in fields}
        | {"template": template["name"], "language": template["language"], "category": template["category"]}
        | {"recipients": sum(counts.values()), "counts": dict(counts)}
        | {"allowed": [each for each in allowed if each != "delete" or "taking_back" not in row]}
    )


def report_view(report: Report) -> Document:
    """What became of the rows of one call; the problems of a stream carry the line of their row."""
    lines = [{"line": line} for line in report.lines] or [{} for _ in report.errors]
    errors = [line | {"path": it.path, "message": it.message} for line, it in zip(lines, report.errors, strict=True)]
    return {
        "object": "recipients_report", "added": report.added, "duplicates": report.duplicates,
        "invalid": report.invalid, "errors": errors,
    }  # fmt: skip


def import_view(row: Document) -> Document:
    """What became of an import."""
    fields = (
        "format", "status", "lines", "added", "duplicates", "invalid", "errors_truncated", "error", "started_at",
        "ended_at",
    )  # fmt: skip
    return {"id": row["_id"], "object": "campaign_import"} | {name: row.get(name) for name in fields}


def recipient_view(row: Document, campaign: Document) -> Document:
    """One recipient."""
    split = Split(campaign)
    return {
        "id": row["_id"], "object": "campaign_recipient", "to": row.get("to"), "state": state_of(row, campaign).value,
        "variant": split.counted_as(row["_id"]), "round": row["round"], "message_id": message_id_of(row, campaign),
        "components": row.get("components"), "error": row.get("error"), "added_at": row.get("added_at"),
        "forgotten": row.get("forgotten", False),
    }  # fmt: skip


def progress_view(
    row: Document, counts: Mapping[str | None, Mapping[str, int]], errors: list[Document]
) -> Document:  # fmt: skip
    """How far a campaign is: every recipient is counted in exactly one state, and so within their variant."""
    variants = [
        {"name": name, "recipients": sum(its.values()), "counts": dict(its), "funnel": _funnel(its)}
        for name, its in sorted(counts.items(), key=lambda item: item[0] or "")
        if name is not None
    ]
    return {
        "id": row["_id"], "object": "campaign_progress", "status": row["status"],
        "pause_reason": row.get("pause_reason"), "waiting": row.get("waiting"),
        "recipients": sum(counts[None].values()), "counts": dict(counts[None]), "funnel": _funnel(counts[None]),
        "variants": variants or None, "errors": [{"code": it["_id"], "count": it["count"]} for it in errors],
    }  # fmt: skip


def _funnel(counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many reached at least each stage."""
    stages = (RecipientState.READ, RecipientState.DELIVERED, RecipientState.SENT, RecipientState.ACCEPTED)
    found, reached = dict[str, int](), 0
    for stage in stages:
        reached += counts[stage]
        found[stage.value] = reached
    return dict(reversed(found.items()))
