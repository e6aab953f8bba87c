from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.events.messages import Lane
from libs.ledger.contacts import Contact, Window, conversation_id_of
from libs.ledger.record import OutboundDraft
from libs.web.errors import Invalid
from services.edge.policy import refusal
from services.edge.schedule import put_off_until

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OPEN = {"1": Window(last_inbound_at=NOW, open_until=NOW + timedelta(hours=24))}


def draft(**more: Any) -> OutboundDraft:
    fixed: dict[str, Any] = {
        "message_id": "m", "tenant": "t", "waba_id": "2", "phone_number_id": "1", "recipient": "+15550001111",
        "content": {"type": "text"}, "lane": Lane.INTERACTIVE, "created_at": NOW, "expires_at": NOW,
    }  # fmt: skip
    return OutboundDraft(**fixed | more)


def contact(windows: dict[str, Window] | None = None, marketing: bool = False, everything: bool = False) -> Contact:
    return Contact("c", OPEN if windows is None else windows, marketing, everything)


@pytest.mark.parametrize(
    ("send_at", "windows", "param"),
    [
        (None, None, None), (None, {}, "to"),
        (NOW + timedelta(hours=23), None, None), (NOW + timedelta(hours=25), None, "send_at"),
        (NOW + timedelta(hours=25), {}, "to"),
    ],
)  # fmt: skip
def test_free_form_needs_a_window_that_is_open_when_it_goes(
    send_at: datetime | None, windows: dict[str, Window] | None, param: str | None
) -> None:
    refused = refusal(draft(send_at=send_at), contact(windows))
    assert (refused.param if refused else None) == param


def test_a_template_needs_no_window_but_consent() -> None:
    template = {"name": "offer", "language": "en", "category": "MARKETING"}
    assert refusal(draft(template=template, send_at=NOW + timedelta(days=9)), contact({})) is None
    assert refusal(draft(template=template), contact({}, marketing=True)) is not None
    assert refusal(draft(template=template | {"category": "UTILITY"}), contact(everything=True)) is not None


def test_who_opted_out_of_everything_gets_replies_only() -> None:
    assert refusal(draft(), contact(everything=True)) is None
    refused = refusal(draft(), contact({}, everything=True))
    assert refused is not None
    assert refused.public_code == "recipient_opted_out"


def test_a_reply_belongs_to_the_conversation_of_what_it_answers() -> None:
    ours = conversation_id_of("c", "1")
    assert refusal(draft(same_as=("reply_to", ours)), contact()) is None
    refused = refusal(draft(same_as=("reply_to", "another")), contact())
    assert refused is not None
    assert (refused.public_code, refused.param) == ("target_of_another_conversation", "reply_to")


def test_a_draft_that_is_put_off_is_due_at_its_time_and_not_open() -> None:
    later = NOW + timedelta(days=3)
    put_off, now = draft(send_at=later).document(), draft().document()
    assert (put_off["due"], "open" in put_off) == (later, False)
    assert now["open"] is True
    assert now["due"] > NOW


def test_a_time_is_now_soon_or_refused() -> None:
    assert put_off_until(NOW + timedelta(seconds=1), NOW) == NOW + timedelta(seconds=1)
    assert put_off_until(NOW + timedelta(days=30), NOW) == NOW + timedelta(days=30)
    assert put_off_until(NOW - timedelta(seconds=59), NOW) is None
    for wrong in (NOW - timedelta(seconds=61), NOW + timedelta(days=30, seconds=1)):
        with pytest.raises(Invalid):
            put_off_until(wrong, NOW)
