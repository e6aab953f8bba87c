"""Webhook bodies as Meta writes them, for tests that play Meta themselves."""

import itertools
import json
import time
from collections.abc import Sequence
from typing import Any

Item = dict[str, Any]
_counter = itertools.count(1)
_run = time.time_ns()


def wamid() -> str:
    """Return a wamid that nobody has used."""
    return f"wamid.T{_run}{next(_counter)}"


def inbound(sender: str, text: str = "hi", **more: Any) -> Item:
    """Return a text that a user wrote; `more` replaces or adds fields."""
    made = {"from": sender, "id": wamid(), "timestamp": str(int(time.time())), "type": "text", "text": {"body": text}}
    return made | more


def status(message_id: str, name: str, recipient: str, meta_id: str, **more: Any) -> Item:
    """Return a status of a message of ours."""
    return {
        "id": meta_id, "status": name, "timestamp": str(int(time.time())), "recipient_id": recipient,
        "biz_opaque_callback_data": message_id, **more,
    }  # fmt: skip


def change(phone_number_id: str, messages: Sequence[Any] = (), statuses: Sequence[Any] = ()) -> Item:
    """Return a change of the field `messages`."""
    value: Item = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15552220000", "phone_number_id": phone_number_id},
    }
    if messages:
        value["contacts"] = [
            {"profile": {"name": "Somebody"}, "wa_id": item["from"]}
            for item in messages
            if isinstance(item, dict) and isinstance(item.get("from"), str)
        ]
        value["messages"] = list(messages)
    if statuses:
        value["statuses"] = list(statuses)
    return {"field": "messages", "value": value}


def body(waba_id: str, *changes: Any) -> bytes:
    """Return a whole webhook body."""
    entry = {"id": waba_id, "changes": list(changes)}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
