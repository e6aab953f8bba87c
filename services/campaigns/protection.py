"""Why a running campaign has to pause itself. Pure decisions, no I/O."""

from collections.abc import Mapping
from typing import Any

from libs.directory.entries import TemplateEntry
from services.campaigns.states import RecipientState
from services.campaigns.targets import APPROVED, Sending, version_of

BUDGET_USED_UP = "budget_used_up"
FAILED_SHARE = 0.3  # of those who were written to: more than that is no chance any more
FAILED_LEAST = 50  # failures before the share means anything


def reason_to_pause(
    campaign: Mapping[str, Any], counts: Mapping[str, int], sending: Sending | None, template: TemplateEntry | None
) -> str | None:
    """Return why a campaign must not go on as things stand, None where it may.

    Its number or account stopped, its template is not what its recipients were checked against, its budget is used
    up, or too many failed.
    """
    if sending is None:
        return "number_not_connected"
    if sending.stopped is not None:
        return sending.stopped
    frozen = campaign["template"]
    if template is None or template.status != APPROVED:
        return "template_not_approved"
    if template.category != frozen["category"]:
        return "template_recategorised"
    versions = frozen.get("versions") or []
    if versions and version_of(template.components, template.parameter_format) not in versions:
        return "template_changed"
    if len(versions) > 1:
        return "template_changed"  # between two imports: some recipients were checked against what it was before
    failed = counts[RecipientState.FAILED]
    if failed >= FAILED_LEAST and failed > FAILED_SHARE * _ended(counts):
        return "too_many_failed"
    budget = campaign.get("budget")
    if budget is not None and counts[RecipientState.PENDING] and written_to(counts) >= budget:
        return BUDGET_USED_UP
    return None


def written_to(counts: Mapping[str, int]) -> int:
    """Return how many messages a campaign has put into the world, or is about to."""
    idle = (RecipientState.PENDING, RecipientState.SKIPPED, RecipientState.CANCELED)
    return sum(number for state, number in counts.items() if state not in idle)


def _ended(counts: Mapping[str, int]) -> int:
    return written_to(counts) - counts[RecipientState.QUEUED]
