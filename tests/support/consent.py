"""What tests of consent need: templates of both kinds, sending them, and hearing what somebody says."""

from typing import Any

from tests.support.running import Number, until

OFFER = {"name": "offer", "language": "en_US", "category": "MARKETING", "components": [
    {"type": "BODY", "text": "Half price today"}]}  # fmt: skip
RECEIPT = {"name": "receipt", "language": "en_US", "category": "UTILITY", "components": [
    {"type": "BODY", "text": "Thank you for your order"}]}  # fmt: skip


def offer(number: Number, to: str, name: str = "offer", **more: Any) -> Any:
    """Send a template without variables."""
    body = {"phone_number_id": number.id, "to": to, "template": name, "language": "en_US"}
    return number.stack.call("POST", "/messages/template", body | more)


def said(number: Number, who: str, text: str, **more: Any) -> None:
    """Have somebody write and wait until that very text is stored, and with it what it means."""
    wrote = {"phone_number_id": number.id, "from": who, "type": "text", "text": {"body": text}}
    number.stack.box("POST", "/inbound", wrote | more)
    path = f"/messages?direction=inbound&phone_number_id={number.id}&recipient={who}"
    until(
        lambda: any(row["content"].get("body") == text for row in number.stack.call("GET", path).json()["data"]),
        f"{text} was heard", 10,
    )  # fmt: skip


def contact_of(number: Number, who: str) -> dict[str, Any]:
    """Return somebody's contact with its history of consent."""
    rows = number.stack.call("GET", f"/contacts?recipient={who}").json()["data"]
    found: dict[str, Any] = number.stack.call("GET", f"/contacts/{rows[0]['id']}").json()
    return found
