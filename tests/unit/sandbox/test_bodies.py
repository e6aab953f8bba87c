import base64
import hashlib
import hmac
import json

import pytest

from services.sandbox.identifiers import BUSINESS_SENT, USER_SENT, canonical, digits_of, scoped_user_id, wamid
from services.sandbox.model import Number
from services.sandbox.statuses import Letterhead, PlannedStatus
from services.sandbox.webhooks import Change, body_of, signature, status_head, value_of

NUMBER = Number("106540352242922", "102290129340398", "1", "+1 555-078-3881", "Shop")
LETTERHEAD = Letterhead("wamid.a/b+c=", "16505551234", False, "US.1", 'our "id"/1')


def status(name: str = "sent") -> Change:
    written = LETTERHEAD.write(PlannedStatus(name, 0.0, 1_750_030_073.9, ""), 0.0)
    return Change("102290129340398", "messages", status_head(NUMBER), written, NUMBER.id)


def test_a_status_has_metas_shape_and_escapes() -> None:
    body = body_of([status()])
    assert b"/" not in body.replace(b"\\/", b"")
    assert json.loads(body) == {
        "object": "whatsapp_business_account",
        "entry": [{
            "id": "102290129340398",
            "changes": [{
                "value": {
                    "messaging_product": "whatsapp",
                    "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
                    "statuses": [{
                        "id": "wamid.a/b+c=", "status": "sent", "timestamp": "1750030073",
                        "recipient_id": "16505551234", "recipient_user_id": "US.1",
                        "biz_opaque_callback_data": 'our "id"/1',
                    }],
                },
                "field": "messages",
            }],
        }],
    }  # fmt: skip


def test_the_contact_of_a_status_shows_no_number_that_is_hidden() -> None:
    assert json.loads(LETTERHEAD.contact()) == {"wa_id": "16505551234", "user_id": "US.1"}
    assert json.loads(Letterhead("wamid.1", "16505551234", True, "US.1", None).contact()) == {"user_id": "US.1"}


def test_non_ascii_is_escaped_and_the_signature_is_over_the_exact_bytes() -> None:
    body = body_of([Change("1", "messages", value_of(NUMBER, {"contacts": [{"profile": {"name": "Zoë"}}]}))])
    assert body.isascii()
    assert b"Zo\\u00eb" in body
    expected = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert signature("secret", body) == expected
    assert signature("secret", json.dumps(json.loads(body)).encode()) != expected


def test_a_batch_joins_statuses_of_a_number_and_keeps_accounts_apart() -> None:
    other = Change("999", "account_review_update", '{"decision":"APPROVED"}', time=5)
    body = json.loads(body_of([status("sent"), status("delivered"), other]))
    assert [entry["id"] for entry in body["entry"]] == ["102290129340398", "999"]
    assert body["entry"][1]["time"] == 5
    (change,) = body["entry"][0]["changes"]
    assert [item["status"] for item in change["value"]["statuses"]] == ["sent", "delivered"]


@pytest.mark.parametrize(("direction", "mark", "length"), [(BUSINESS_SENT, 0x11, 18), (USER_SENT, 0x12, 20)])
def test_a_message_id_is_packed_as_metas_are(direction: bytes, mark: int, length: int) -> None:
    made = wamid("16505551234", direction)
    packed = base64.b64decode(made.removeprefix("wamid."))
    assert made.startswith("wamid.HBgL")
    assert packed[:3] == b"\x1c\x18\x0b"
    assert packed[3:14] == b"16505551234"
    assert packed[14:20] == bytes([0x15, 0x02, 0x00, mark, 0x18, length])
    assert len(packed[20:-1]) == length
    assert packed[-1] == 0


@pytest.mark.parametrize(
    ("typed", "wa_id"),
    [
        ("+1 650 555 1234", "16505551234"),
        ("+55 31 98765-4321", "553187654321"),
        ("+55 11 98765-4321", "5511987654321"),
        ("+55 11 8765-4321", "5511987654321"),
        ("+55 11 3765-4321", "551137654321"),
        ("+55 31 93765-4321", "5531937654321"),
        ("+52 55 1234 5678", "5215512345678"),
        ("+5215512345678", "5215512345678"),
        ("+54 11 1234 5678", "5491112345678"),
        ("5491112345678", "5491112345678"),
    ],
)
def test_numbers_become_metas_wa_ids(typed: str, wa_id: str) -> None:
    assert canonical(digits_of(typed) or "") == wa_id


@pytest.mark.parametrize("typed", ["", "+", "12345", "1" * 16, "+1555x000001", "me"])
def test_what_is_no_number_is_none(typed: str) -> None:
    assert digits_of(typed) is None


def test_a_user_id_is_the_businesss_own() -> None:
    assert scoped_user_id("1", "16505551234") == scoped_user_id("1", "16505551234")
    assert scoped_user_id("1", "16505551234") != scoped_user_id("2", "16505551234")
    assert scoped_user_id("1", "16505551234").startswith("US.")
