"""The bodies of webhooks, as Meta writes and signs them."""

import hmac
import json
from dataclasses import dataclass
from typing import Any

from services.sandbox.errors import webhook_error
from services.sandbox.model import Number

encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Change:
    """One change of one account: `status` is the JSON of a status (they can share a change), else `value` is whole."""

    waba_id: str
    field: str
    value: str  # JSON of the value; for a status its head, up to the list
    status: str | None = None
    number_id: str | None = None
    person: str | None = None
    time: int | None = None  # seconds; only account and template fields carry it

    def json(self) -> str:
        """Return the item of `changes`."""
        value = self.value if self.status is None else f'{self.value},"statuses":[{self.status}]}}'
        return f'{{"value":{value},"field":"{self.field}"}}'


def status_head(number: Number) -> str:
    """Return the beginning of a `messages` value, up to where the list of statuses goes."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": number.digits, "phone_number_id": number.id},
    }
    return encode(value)[:-1]


def value_of(number: Number, rest: dict[str, Any]) -> str:
    """Return a `messages` value that carries messages, contacts or errors."""
    return status_head(number) + "," + encode(rest)[1:]


def body_of(changes: list[Change]) -> bytes:
    """Return the body of one POST: non-ASCII escaped as \\uXXXX and `/` as \\/, as Meta does."""
    if len(changes) == 1:
        only = changes[0]
        entries = _entry(only.waba_id, only.time, only.json())
    else:
        entries = ",".join(
            _entry(waba_id, time, ",".join(_joined(group))) for (waba_id, time), group in _by_account(changes)
        )
    return f'{{"object":"whatsapp_business_account","entry":[{entries}]}}'.replace("/", "\\/").encode()


def webhook_error_json(code: int, details: str | None) -> str:
    """Return the JSON of an error in a status."""
    return encode(webhook_error(code, details))


def signature(secret: str, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256` over the exact bytes."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def _entry(waba_id: str, time: int | None, changes: str) -> str:
    stamp = f'"time":{time},' if time is not None else ""
    return f'{{"id":"{waba_id}",{stamp}"changes":[{changes}]}}'


def _by_account(changes: list[Change]) -> list[tuple[tuple[str, int | None], list[Change]]]:
    groups: dict[tuple[str, int | None], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.waba_id, change.time), []).append(change)
    return list(groups.items())


def _joined(changes: list[Change]) -> list[str]:
    """Join the statuses of a number into one change; everything else stays apart."""
    statuses: dict[str, list[str]] = {}
    for change in changes:
        if change.status is not None:
            statuses.setdefault(change.value, []).append(change.status)
    joined = [
        f'{{"value":{head},"statuses":[{",".join(items)}]}},"field":"messages"}}' for head, items in statuses.items()
    ]
    return joined + [change.json() for change in changes if change.status is None]
