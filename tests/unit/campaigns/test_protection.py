"""What makes a campaign pause itself, and what of it can pass without a person."""

from typing import Any

import pytest

from libs.directory.entries import AccountEntry, NumberEntry, TemplateEntry
from services.campaigns.protection import FOR_A_PERSON, goes_on_by_itself, reason_to_pause
from services.campaigns.states import RecipientState
from services.campaigns.targets import Sending, version_of

TEMPLATE = TemplateEntry("t", "w", "sale", "en_US", "APPROVED", "MARKETING", "POSITIONAL", [{"type": "BODY"}])
FROZEN = {"name": "sale", "language": "en_US", "category": "MARKETING"}


def campaign(**more: Any) -> dict[str, Any]:
    return {"template": FROZEN, "components": None, "versions": [version_of(TEMPLATE)]} | more


def counts(**some: int) -> dict[str, int]:
    return dict.fromkeys((state.value for state in RecipientState), 0) | some


def sending(status: str = "active", number: str = "connected", quality: str | None = "GREEN") -> Sending:
    account = AccountEntry("t", "w", status, "x", None, "p", None, False, False, "restricted")  # type: ignore[arg-type]
    return Sending(
        NumberEntry("n", "t", "w", number, 80, "no_pin" if number != "connected" else None, quality), account
    )


def changed(**fields: Any) -> TemplateEntry:
    names = ("tenant", "waba_id", "name", "language", "status", "category", "parameter_format", "components")
    return TemplateEntry(**{name: getattr(TEMPLATE, name) for name in names} | fields)


@pytest.mark.parametrize(
    ("its", "numbers", "where", "template", "opted_out", "reason"),
    [
        ({}, counts(pending=9), sending(), TEMPLATE, 0, None),
        ({}, counts(pending=9), None, TEMPLATE, 0, "number_not_connected"),
        ({}, counts(pending=9), sending("restricted"), TEMPLATE, 0, "restricted"),
        ({}, counts(pending=9), sending(number="pending"), TEMPLATE, 0, "no_pin"),
        ({}, counts(pending=9), sending(quality="RED"), TEMPLATE, 0, "quality_red"),
        ({}, counts(pending=9), sending(quality="YELLOW"), TEMPLATE, 0, None),
        ({}, counts(pending=9), sending(), None, 0, "template_not_approved"),
        ({}, counts(pending=9), sending(), changed(status="PAUSED"), 0, "template_not_approved"),
        ({}, counts(pending=9), sending(), changed(category="UTILITY"), 0, "template_recategorised"),
        ({}, counts(pending=9), sending(), changed(components=[{"type": "BODY", "text": "x"}]), 0, "template_changed"),
        ({}, counts(failed=49, delivered=1), sending(), TEMPLATE, 0, None),
        ({}, counts(failed=50, delivered=100), sending(), TEMPLATE, 0, "too_many_failed"),
        ({}, counts(failed=50, delivered=150), sending(), TEMPLATE, 0, None),
        ({"protection": {"failed_share": 0.01, "least": 2}}, counts(failed=2, delivered=98), sending(), TEMPLATE, 0,
         "too_many_failed"),
        ({}, counts(delivered=900), sending(), TEMPLATE, 50, "too_many_opted_out"),
        ({}, counts(delivered=1100), sending(), TEMPLATE, 50, None),
        ({"budget": 10}, counts(delivered=10, pending=1), sending(), TEMPLATE, 0, "budget_used_up"),
        ({"budget": 10}, counts(delivered=10), sending(), TEMPLATE, 0, None),
        ({"budget": 10}, counts(delivered=5, skipped=5, held_out=5, pending=1), sending(), TEMPLATE, 0, None),
    ],
)  # fmt: skip
def test_the_first_thing_in_the_way_is_the_reason(
    its: dict[str, Any], numbers: dict[str, int], where: Sending | None, template: TemplateEntry | None,
    opted_out: int, reason: str | None,
) -> None:  # fmt: skip
    assert reason_to_pause(campaign(**its), numbers, where, [template], opted_out) == reason


def test_only_what_meta_did_passes_without_a_person_and_only_where_that_was_allowed() -> None:
    for reason in FOR_A_PERSON:
        assert not goes_on_by_itself({"auto_resume": True, "pause_reason": reason})
    assert goes_on_by_itself({"auto_resume": True, "pause_reason": "quality_red"})
    assert not goes_on_by_itself({"auto_resume": False, "pause_reason": "quality_red"})
