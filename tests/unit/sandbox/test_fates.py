import random
from dataclasses import replace

import pytest

from services.sandbox.behaviour import Delay, Timing
from services.sandbox.fates import (
    ANSWERS,
    BLOCKS,
    CAPPED,
    DELIVERED,
    NOT_ON_WHATSAPP,
    OPTED_OUT,
    PHONE_OFF,
    READS,
    STOPS,
    TAPS,
    Circumstances,
    decide,
    failure,
    is_us_number,
    media_problem,
)
from services.sandbox.model import Thread
from services.sandbox.pricing import price
from services.sandbox.statuses import plan

USER = "15550000001"
TEXT = Circumstances(USER, "text")
MARKETING = Circumstances(USER, "template", category="marketing", window_open=False)
OCTOBER_2026, JULY_2026 = 1_793_000_000.0, 1_783_000_000.0
CLOSED = Thread("1", USER)


def statuses(case: Circumstances, timing: Timing | None = None) -> list[str]:
    return [step.status for step in decide(case, timing or Timing(read_share=1), random.Random(1)).steps]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (TEXT, None),
        (replace(TEXT, window_open=False), 131047),
        (replace(TEXT, known=False), 131026),
        (replace(TEXT, blocked=True), 131026),
        (replace(TEXT, content_problem=131053), 131053),
        (replace(TEXT, person=NOT_ON_WHATSAPP), 131026),
        (replace(TEXT, person=BLOCKS), 131026),
        (replace(TEXT, person="15550130472"), 130472),
        (replace(TEXT, person="15550000472"), None),
        (MARKETING, None),
        (replace(MARKETING, opted_out=True), 131050),
        (replace(MARKETING, person=OPTED_OUT), 131050),
        (replace(MARKETING, person=CAPPED), 131049),
        (replace(MARKETING, within_cap=False), 131049),
        (replace(MARKETING, person="12125550100"), 131049),
        (replace(MARKETING, category="utility", person="12125550100"), None),
        (replace(MARKETING, category="utility", person=OPTED_OUT), None),
        (replace(MARKETING, within_limit=False), 131048),
    ],
)
def test_what_fails_after_it_was_accepted(case: Circumstances, code: int | None) -> None:
    assert failure(case) == code
    assert (statuses(case)[0] == "failed") == (code is not None)


def test_the_fixed_recipients_do_what_the_readme_says() -> None:
    assert statuses(TEXT) == ["sent", "delivered", "read"]
    assert statuses(replace(TEXT, person=DELIVERED)) == ["sent", "delivered"]
    assert statuses(replace(TEXT, person=READS)) == ["sent", "read"]
    assert statuses(replace(TEXT, person=PHONE_OFF)) == ["sent"]
    assert statuses(replace(TEXT, type="reaction")) == ["sent"]
    dice, timing = random.Random(1), Timing(answer_text="fine")
    assert decide(replace(TEXT, person=ANSWERS), timing, dice).answer == {"type": "text", "text": {"body": "fine"}}
    assert decide(replace(TEXT, person=STOPS), timing, dice).answer == {"type": "text", "text": {"body": "STOP"}}


def test_who_taps_picks_the_first_button_or_row() -> None:
    reply = {"id": "yes", "title": "Yes"}
    buttons = {"interactive": {"action": {"buttons": [{"type": "reply", "reply": reply}]}}}
    rows = {"interactive": {"action": {"sections": [{"rows": [reply]}]}}}
    for content, kind in ((buttons, "button_reply"), (rows, "list_reply")):
        case = Circumstances(TAPS, "interactive", content=content)
        answer = decide(case, Timing(), random.Random(1)).answer
        assert answer is not None
        assert answer["interactive"] == {"type": kind, kind: reply}


def test_us_area_codes_are_known_and_555_is_none() -> None:
    assert is_us_number("12125550100")
    assert not is_us_number("14165550100")
    assert not is_us_number("15550000001")
    assert not is_us_number("447700900123")


def test_media_that_cannot_be_had_shows_only_later() -> None:
    assert media_problem("https://files.invalid/a.jpg", None, "image") == 131053
    assert media_problem("https://example.test/a.jpg", None, "image") is None
    assert media_problem(None, "image/png", "image") is None
    assert media_problem(None, "video/mp4", "image") == 131053
    assert media_problem(None, None, "document") == 131053


@pytest.mark.parametrize(
    ("category", "in_window", "now", "used", "kind"),
    [
        (None, True, JULY_2026, 5000, "free_customer_service"),
        (None, True, OCTOBER_2026, 1000, "free_customer_service"),
        (None, True, OCTOBER_2026, 1001, "regular"),
        ("utility", True, JULY_2026, 0, "free_customer_service"),
        ("utility", True, OCTOBER_2026, 0, "regular"),
        ("utility", False, JULY_2026, 0, "regular"),
        ("marketing", True, JULY_2026, 0, "regular"),
        ("authentication", True, JULY_2026, 0, "regular"),
    ],
)
def test_pricing_follows_metas_dates(category: str | None, in_window: bool, now: float, used: int, kind: str) -> None:
    worth = price(category, "text", in_window, CLOSED, now, used)
    assert f'"type":"{kind}"' in worth.pricing
    assert f'"category":"{category or "service"}"' in worth.pricing
    assert worth.conversation_on("sent") == ""


def test_in_a_free_entry_point_nothing_costs_and_sent_tells_when_it_ends() -> None:
    thread = Thread("1", USER, free_entry_until=JULY_2026 + 100, free_entry_id="c1")
    worth = price("marketing", "template", False, thread, JULY_2026, 0)
    assert '"type":"free_entry_point","category":"referral_conversion"' in worth.pricing
    assert f'"expiration_timestamp":"{int(JULY_2026) + 100}"' in worth.conversation_on("sent")
    assert "expiration" not in worth.conversation_on("delivered")
    assert '"origin":{"type":"referral_conversion"}' in worth.conversation_on("delivered")


def test_a_plan_keeps_the_order_of_what_happens_however_it_is_told() -> None:
    timing = Timing(sent=Delay(1, 1), delivered=Delay(1, 1), read=Delay(1, 1), read_share=1)
    steps = decide(TEXT, timing, random.Random(1)).steps
    worth = price(None, "text", True, CLOSED, JULY_2026, 0)
    plain = plan(steps, worth, timing, random.Random(1), 100.0, early=False, shuffled=False)
    assert [(status.status, status.due) for status in plain] == [("sent", 101), ("delivered", 102), ("read", 103)]
    shuffled = plan(steps, worth, timing, random.Random(4), 100.0, early=False, shuffled=True)
    assert [status.happens for status in shuffled] == [101, 102, 103]
    assert [status.due for status in shuffled] != [101, 102, 103]
    early = plan(steps, worth, timing, random.Random(1), 100.0, early=True, shuffled=False)
    assert early[0].due == 100.0
