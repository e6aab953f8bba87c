"""Why a running campaign has to pause itself. Pure decisions, no I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from libs.directory.entries import TemplateEntry
from services.campaigns.states import RecipientState
from services.campaigns.targets import APPROVED, Sending, version_of
from services.campaigns.variants import Split

BUDGET_USED_UP = "budget_used_up"
TOO_MANY_FAILED, TOO_MANY_OPTED_OUT = "too_many_failed", "too_many_opted_out"
RED = "RED"  # the quality rating from which Meta lowers limits, as Meta spells it
FAILED_SHARE = 0.3  # of those who were written to: more than that is no chance any more
OPTED_OUT_SHARE = 0.05
LEAST = 50  # failures, or opt-outs, before their share means anything

# Reasons that only a person can judge. All others are Meta's doing, and can pass as they came.
FOR_A_PERSON = {
    "asked", BUDGET_USED_UP, TOO_MANY_FAILED, TOO_MANY_OPTED_OUT, "template_recategorised", "template_changed",
}  # fmt: skip


def goes_on_by_itself(campaign: Mapping[str, Any]) -> bool:
    """Tell whether a paused campaign is to go on as soon as its reason is gone."""
    return bool(campaign.get("auto_resume")) and campaign.get("pause_reason") not in FOR_A_PERSON


def reason_to_pause(
    campaign: Mapping[str, Any], counts: Mapping[str, int], sending: Sending | None,
    templates: Sequence[TemplateEntry | None], opted_out: int = 0,
) -> str | None:  # fmt: skip
    """Return why a campaign must not go on as things stand, None where it may.

    `templates` are those of its variants, in their order; `opted_out` is how many of its recipients opted out after it
    began. First what can be put right by others, then its shares, then its budget.
    """
    reason = _of_number(sending) or _of_templates(campaign, templates) or _of_shares(campaign, counts, opted_out)
    if reason is not None:
        return reason
    budget = campaign.get("budget")
    if budget is not None and counts[RecipientState.PENDING] and messages_of(campaign, counts) >= budget:
        return BUDGET_USED_UP
    return None


def messages_of(campaign: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    """Return how many messages a campaign has put into the world, or is about to, earlier ones of a retry included."""
    return written_to(counts) + int(campaign.get("written_again", 0))


def shares_from(counts: Mapping[str, int], opted_out: int) -> dict[str, int]:
    """Return where shares stand, as it is kept of a campaign that pauses for one: once resumed it counts from there."""
    return {
        "ended": _ended(counts), "failed": counts[RecipientState.FAILED], "opted_out": opted_out,
    }  # fmt: skip


def _ended(counts: Mapping[str, int]) -> int:
    return written_to(counts) - counts[RecipientState.QUEUED]


def written_to(counts: Mapping[str, int]) -> int:
    """Return how many recipients were written to, or are about to be."""
    idle = (RecipientState.PENDING, RecipientState.SKIPPED, RecipientState.HELD_OUT, RecipientState.CANCELED)
    return sum(number for state, number in counts.items() if state not in idle)


def _of_number(sending: Sending | None) -> str | None:
    if sending is None:
        return "number_not_connected"
    if sending.stopped is not None:
        return sending.stopped
    return "quality_red" if sending.number.quality == RED else None


def _of_templates(campaign: Mapping[str, Any], templates: Sequence[TemplateEntry | None]) -> str | None:
    now = set()
    for variant, template in zip(Split(campaign).variants, templates, strict=True):
        if template is None or template.status != APPROVED:
            return "template_not_approved"
        if template.category != variant.template["category"]:
            return "template_recategorised"
        now.add(version_of(template))
    # Every row was checked against one of these: one that is not there any more may not fit what would be sent.
    return "template_changed" if set(campaign.get("versions") or ()) - now else None


def _of_shares(campaign: Mapping[str, Any], counts: Mapping[str, int], opted_out: int) -> str | None:
    limits = campaign.get("protection") or {}
    least = limits.get("least", LEAST)
    before = campaign.get("shares_from") or {}
    ended = _ended(counts) - before.get("ended", 0)
    failed = counts[RecipientState.FAILED] - before.get("failed", 0)
    opted_out -= before.get("opted_out", 0)
    if failed >= least and failed > limits.get("failed_share", FAILED_SHARE) * ended:
        return TOO_MANY_FAILED
    if opted_out >= least and opted_out > limits.get("opted_out_share", OPTED_OUT_SHARE) * ended:
        return TOO_MANY_OPTED_OUT
    return None
