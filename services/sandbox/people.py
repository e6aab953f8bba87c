"""What users do: they write, answer, tap; and what their phones show."""

import base64
import json
from typing import Any

from services.sandbox.clock import SandboxClock, iso
from services.sandbox.delivery import Deliveries
from services.sandbox.identifiers import BSUID, USER_SENT, canonical, digits_of, wamid
from services.sandbox.media import MediaShelf
from services.sandbox.model import Number, Person
from services.sandbox.store import InboundRow, SendRow, Store
from services.sandbox.webhooks import Change, value_of
from services.sandbox.world import World

# Fields of a control call that are not part of the message itself.
_OURS = frozenset(
    {"phone_number_id", "from", "from_user_id", "name", "username", "id", "timestamp", "identity_key_hash"}
)
# What a user sends when a test names the kind but gives no file: its type, and a few bytes of it.
SAMPLES = {
    "image": ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF sample \xff\xd9"),
    "video": ("video/mp4", b"\x00\x00\x00\x18ftypmp42 sample"),
    "audio": ("audio/ogg; codecs=opus", b"OggS sample"),
    "document": ("application/pdf", b"%PDF-1.4 sample %%EOF"),
    "sticker": ("image/webp", b"RIFF\x10\x00\x00\x00WEBP sample"),
}
_MORE: dict[str, dict[str, Any]] = {
    "audio": {"voice": True}, "document": {"filename": "sample.pdf"}, "sticker": {"animated": False},
}  # fmt: skip
TYPING = 25.0  # seconds that a typing indicator shows
SHOWN = 200  # latest messages of a person that are shown


class People:
    """The users of WhatsApp, seen from their side."""

    def __init__(
        self, world: World, store: Store, clock: SandboxClock, deliveries: Deliveries, media: MediaShelf
    ) -> None:
        self._world, self._store, self._clock, self._deliveries, self._media = world, store, clock, deliveries, media
        self._typing: dict[tuple[str, str], float] = {}  # until when a number shows as typing to a person

    def sees_typing(self, number_id: str, person: str, ended: bool = False) -> None:
        """A number's typing indicator appears to a person, or ends by its message."""
        if not ended:
            self._typing[number_id, person] = self._clock.machine() + TYPING
        elif self._typing:
            self._typing.pop((number_id, person), None)

    def write(self, wish: dict[str, Any]) -> dict[str, Any]:
        """A user writes to a number: keep the message, open the window, send the webhook.

        `wish` is a message as Meta's webhook carries it, with `phone_number_id`, `from` (digits) or `from_user_id`
        (a person without a visible number), and an optional `name`. Unknown types pass through. Raises ValueError.
        """
        number = self._world.numbers.get(str(wish.get("phone_number_id")))
        if number is None:
            raise ValueError("phone_number_id is not a number of the sandbox")
        person = self.meet(wish)
        now = self._clock.now()
        message_id = str(wish.get("id") or wamid(person.key, USER_SENT))
        kind = str(wish.get("type") or "text")
        content = {key: value for key, value in wish.items() if key not in _OURS and key != "type"}
        if kind in SAMPLES and "id" not in (content.get(kind) or {}):
            content[kind] = self._attached(number, kind, content.get(kind) or {})
        user_id = self._world.scoped_id(number.portfolio_id, person)
        message = {
            **({} if person.hidden else {"from": person.key}),
            "from_user_id": user_id,
            "id": message_id,
            "timestamp": str(wish.get("timestamp") or int(now)),
            "type": kind,
            **content,
        }
        self._store.add_inbound(InboundRow(message_id, now, number.id, person.key, json.dumps(message), None))
        self._open_window(number, person, message, now)
        rest: dict[str, Any] = {"messages": [message]}
        if kind != "system":
            rest = {"contacts": [self.contact(person, user_id, wish)], **rest}
        if person.key not in number.blocked:  # whom the business blocked does not reach it
            change = Change(number.waba_id, "messages", value_of(number, rest), None, number.id, person.key)
            self._deliveries.post(change)
        return {"id": message_id, "from": person.key, "from_user_id": user_id}

    def _attached(self, number: Number, kind: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Return a media object with a file behind it: the one given as `base64`, or a small sample."""
        mime_type, sample = SAMPLES[kind]
        given = wish.get("base64")
        content = base64.b64decode(given, validate=True) if given is not None else sample
        media = self._media.receive(number, str(wish.get("mime_type") or mime_type).split(";")[0], content)
        digest = base64.b64encode(bytes.fromhex(media.sha256)).decode()  # hex in the API, base64 in webhooks
        more = {key: value for key, value in wish.items() if key != "base64"}
        return {"mime_type": mime_type, **_MORE.get(kind, {}), **more, "sha256": digest, "id": media.id}

    def meet(self, wish: dict[str, Any]) -> Person:
        """Return the person a control call speaks of, remembered with the name it gives."""
        typed = wish.get("from")
        user_id = wish.get("from_user_id")
        if typed is not None and not BSUID.match(str(typed)):
            digits = digits_of(str(typed))
            if digits is None:
                raise ValueError("from is not a phone number")
            key, hidden = canonical(digits), False
        elif BSUID.match(str(user_id or typed or "")):
            key, hidden = str(user_id or typed), True
        else:
            raise ValueError("give from (digits) or from_user_id (a business-scoped user id)")
        person = self._world.person(key)
        name, username = str(wish.get("name") or person.name), str(wish.get("username") or person.username)
        if key not in self._world.people or (name, username) != (person.name, person.username):
            person.name, person.username, person.hidden = name, username, hidden
            self._world.save(person)
        return person

    def contact(self, person: Person, user_id: str, wish: dict[str, Any]) -> dict[str, Any]:
        """Return the item of `contacts` that comes with what a person does."""
        profile = {"name": person.name or f"User {person.key[-4:]}"}
        if person.username:
            profile["username"] = person.username
        contact: dict[str, Any] = {"profile": profile}
        if not person.hidden:
            contact["wa_id"] = person.key
        contact["user_id"] = user_id
        if wish.get("identity_key_hash"):
            contact["identity_key_hash"] = wish["identity_key_hash"]
        return contact

    def prefer(self, number: Number, person: Person, value: str) -> None:
        """A user stops or resumes a business's marketing messages at Meta: remembered, and told by webhook."""
        stopped = set(person.stopped_marketing) - {number.portfolio_id}
        person.stopped_marketing = sorted(stopped | {number.portfolio_id} if value == "stop" else stopped)
        self._world.save(person)
        now, user_id = self._clock.now(), self._world.scoped_id(number.portfolio_id, person)
        preference = {
            **({} if person.hidden else {"wa_id": person.key}),
            "user_id": user_id,
            "detail": f"User requested to {value} marketing messages",
            "category": "marketing_messages",
            "value": value,
            "timestamp": int(now),
        }
        rest = {"contacts": [self.contact(person, user_id, {})], "user_preferences": [preference]}
        self._deliveries.post(
            Change(number.waba_id, "user_preferences", value_of(number, rest), None, number.id, person.key)
        )

    def _open_window(self, number: Number, person: Person, message: dict[str, Any], now: float) -> None:
        thread = self._world.thread(number.id, person.key)
        thread.last_inbound = now
        if isinstance(message.get("referral"), dict):
            thread.referral_at = now
        self._world.save(thread)
        self._world.remember_user_id(number.portfolio_id, person)

    # -- what the phone shows

    def phones(self, limit: int) -> list[dict[str, Any]]:
        """Return who wrote or was written to, latest first."""
        return [
            {"wa_id": key, "name": self._world.person(key).name, "last_at": iso(at)}
            for key, at in self._store.people(limit)
        ]

    def phone(self, key: str) -> dict[str, Any]:
        """Return a person's conversations as the person sees them, each oldest message first."""
        person = self._world.person(key)
        bubbles: dict[str, list[dict[str, Any]]] = {}
        for sent in self._store.sends_to(key, SHOWN):
            bubbles.setdefault(sent.number_id, []).append(self._received(sent))
        for written in self._store.inbound_from(key, SHOWN):
            bubbles.setdefault(written.number_id, []).append(_written(written))
        return {
            "wa_id": None if person.hidden else key,
            "user_id": person.key if person.hidden else None,
            "name": person.name,
            "conversations": [self._conversation(number_id, key, items) for number_id, items in bubbles.items()],
        }

    def _conversation(self, number_id: str, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        number = self._world.numbers.get(number_id)
        thread = self._world.thread(number_id, key)
        return {
            "phone_number_id": number_id,
            "display_phone_number": number.display if number else None,
            "name": number.verified_name if number else None,
            "window": {
                "open": self._world.window_open(thread),
                "last_inbound_at": iso(thread.last_inbound) if thread.last_inbound else None,
                "free_entry_until": iso(thread.free_entry_until) if thread.free_entry_until else None,
            },
            "typing": self._typing.get((number_id, key), 0.0) > self._clock.machine(),
            "messages": sorted(items, key=lambda item: str(item["at"])),
        }

    def _received(self, sent: SendRow) -> dict[str, Any]:
        body = json.loads(sent.body)
        return {
            "direction": "to_user", "wamid": sent.wamid, "type": sent.type, "at": iso(sent.at),
            "content": body.get(sent.type), "status": self.status_of(sent), "seq": sent.seq,
        }  # fmt: skip

    def status_of(self, sent: SendRow) -> str:
        """Return how far a message is by now, by its plan."""
        now = self._clock.machine()
        reached = [step[0] for step in json.loads(sent.plan) if step[2] <= now]
        return reached[-1] if reached else "accepted"


def _written(row: InboundRow) -> dict[str, Any]:
    message = json.loads(row.message)
    return {
        "direction": "from_user", "wamid": row.wamid, "type": message["type"], "at": iso(row.at),
        "content": message.get(message["type"]), "status": "read" if row.read_at else "delivered",
    }  # fmt: skip
