"""Reading Meta's items into what we do with them. Pure: no I/O, no clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.events.messages import BillingConversation, MessageStatus, Pricing
from libs.graph.errors import GraphError, clean, code_of, verdict_of_status
from libs.graph.webhooks import MessageItem, StatusItem, moment
from libs.ledger.consent import OPTED_IN, OPTED_OUT, By, Consent, Word
from libs.ledger.contacts import conversation_id_of
from libs.ledger.inbound import InboundMessage
from libs.ledger.moves import StatusReport
from libs.ledger.opt_out_words import Hearing
from libs.ledger.people import Encounter

META_STATUSES = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "failed": MessageStatus.FAILED,
}
STOPPED_MARKETING = 131050  # Meta: the person stopped marketing messages of this business
DEEPEST = 50  # levels of an inbound message's content; Meta's deepest (a flow's answer) has six
REFERRAL = "referral_conversion"  # origin of a conversation in a free entry point window

# The types that Meta has today: what a metric may name. Others are counted together, as anybody may invent some.
KNOWN_TYPES = frozenset({
    "text", "image", "audio", "video", "document", "sticker", "location", "contacts", "reaction", "button",
    "interactive", "order", "system", "unsupported", "unknown", "edit", "revoke", "request_welcome", "ephemeral",
    "media_placeholder",
})  # fmt: skip

# Types that are no message of the person's: they open no window.
SILENT = frozenset({"system", "edit", "revoke", "request_welcome", "ephemeral", "media_placeholder"})


class DoesNotFit(Exception):
    """The item lacks what is needed; the text says what."""


def read_status(item: StatusItem) -> StatusReport | None:
    """Read a status; None for one that moves nothing (`played`, or one that Meta adds later). Raises DoesNotFit."""
    status = META_STATUSES.get(str(item.item.get("status")))
    if status is None or item.item.get("type") == "call":
        return None
    message_id = item.item.get("biz_opaque_callback_data")
    at = moment(item.item.get("timestamp"))
    if at is None:
        raise DoesNotFit("status without a timestamp")
    return StatusReport(
        message_id=message_id if isinstance(message_id, str) else "",
        phone_number_id=item.phone_number_id,
        wamid=item.item["id"][:512],
        status=status,
        at=at,
        recipient_id=_text(item.item.get("recipient_id")),
        user_id=_text(item.item.get("recipient_user_id")),
        error=_error(item.item) if status is MessageStatus.FAILED else None,
        pricing=_pricing(item.item.get("pricing")),
        conversation=_conversation(item.item.get("conversation")),
    )


def failure_code(item: StatusItem) -> int:
    """Return Meta's code of a failed status, 0 where there is none."""
    errors = item.item.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return code_of(first.get("code")) or 0


def _error(item: dict[str, Any]) -> Any:
    errors = item.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    known = code_of(first.get("code"))
    code = 131000 if known is None else known
    data = first.get("error_data")
    details = data.get("details") if isinstance(data, dict) else first.get("details")
    title = clean(first.get("title") or first.get("message") or "", 300)
    told = GraphError(code=code, title=title, details=clean(details, 500) if details else None)
    return told.message_error(verdict_of_status(code))


def _pricing(value: Any) -> Pricing | None:
    if not isinstance(value, dict):
        return None
    billable = value.get("billable")
    return Pricing(
        billable=billable if isinstance(billable, bool) else None,
        pricing_model=_text(value.get("pricing_model")),
        type=_text(value.get("type")),
        category=_text(value.get("category")),
    )


def _conversation(value: Any) -> BillingConversation | None:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        return None
    origin = value.get("origin")
    return BillingConversation(
        id=value["id"][:256],
        origin_type=_text(origin.get("type")) if isinstance(origin, dict) else None,
        expires_at=moment(value.get("expiration_timestamp")),
    )


@dataclass(frozen=True, slots=True)
class Inbound:
    """A person's message as it was read, with what it tells about the person."""

    wamid: str
    sender: str
    user_id: str | None
    type: str
    at: datetime
    content: Any
    context_wamid: str | None
    referral: dict[str, Any] | None
    group_id: str | None
    encounter: Encounter


def read_inbound(item: MessageItem, tenant: str, received_at: datetime, hearing: Hearing) -> Inbound:
    """Read an inbound message of any type, unknown ones too; raises DoesNotFit where nobody could have sent it."""
    message, contact = item.item, item.contact
    number = _text(message.get("from")) or _text(contact.get("wa_id"))
    user_id = _text(message.get("from_user_id")) or _text(contact.get("user_id"))
    sender = number or user_id
    if sender is None:
        raise DoesNotFit("message without a sender")
    at = moment(message.get("timestamp"))
    if at is None:
        raise DoesNotFit("message without a timestamp")
    kind = _text(message.get("type")) or "unknown"
    referral, context = message.get("referral"), message.get("context")
    encounter = _encounter(item, tenant, [name for name in (number, user_id) if name], kind, at, received_at)
    encounter.words = _words(kind, message, encounter.wrote_at, received_at, hearing)
    return Inbound(
        wamid=message["id"][:512],
        sender=sender,
        user_id=user_id,
        type=kind,
        at=at,
        content=_within(
            message.get(kind, {name: part for name, part in message.items() if name not in ("id", "from")})
        ),
        context_wamid=_text(context.get("id")) if isinstance(context, dict) else None,
        referral=_within(referral) if isinstance(referral, dict) else None,
        group_id=_text(message.get("group_id")),
        encounter=encounter,
    )


def _encounter(
    item: MessageItem, tenant: str, names: list[str], kind: str, at: datetime, received_at: datetime
) -> Encounter:
    message, profile = item.item, item.contact.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    said_at = min(at, received_at)  # nobody has written in the future: such a window or word would outlast all others
    system = message.get("system")
    if (
        kind == "system"
        and isinstance(system, dict)
        and (moved := _text(system.get("wa_id") or system.get("new_wa_id")))
    ):
        names = [*names, moved]  # the person changed their number: both are theirs
    return Encounter(
        tenant=tenant,
        phone_number_id=item.phone_number_id,
        names=tuple(dict.fromkeys(names)),
        seen_at=received_at,
        profile_name=_text(profile.get("name")),
        username=_text(profile.get("username")),
        # What is said in a group is said to the group: it opens no window with the person, and is no word of consent.
        wrote_at=None if kind in SILENT or message.get("group_id") else said_at,
        referral_at=said_at if isinstance(message.get("referral"), dict) else None,
    )


def _words(
    kind: str, message: dict[str, Any], at: datetime | None, received_at: datetime, hearing: Hearing
) -> list[Word]:
    part = message.get(kind)
    if at is None or kind not in ("text", "button") or not isinstance(part, dict):
        return []
    said = part.get("body" if kind == "text" else "text")
    found = hearing.heard(said) if isinstance(said, str) else None
    if found is None:
        return []
    covers, withdrawn = found
    how, ref = "keyword" if kind == "text" else "button", message["id"][:512]
    if withdrawn:
        return [Word(covers, OPTED_OUT, at, By.PERSON, how, ref, received_at)]
    return [Word(each, OPTED_IN, at, By.PERSON, how, ref, received_at) for each in Consent]


def read_preferences(
    value: dict[str, Any], tenant: str, number: str, told_at: datetime, received_at: datetime
) -> list[Encounter]:
    """Read Meta's own marketing opt-outs (`user_preferences`)."""
    found = []
    given = value.get("user_preferences")
    for item in given if isinstance(given, list) else []:
        names = [name for key in ("wa_id", "user_id") if isinstance(item, dict) and (name := _text(item.get(key)))]
        if not names or item.get("category") != "marketing_messages":
            continue
        state = OPTED_OUT if item.get("value") == "stop" else OPTED_IN
        said_at = min(moment(item.get("timestamp")) or told_at, received_at)
        ref = f"{number} {names[0]} {said_at.timestamp():.0f} {state}"
        word = Word(Consent.MARKETING, state, said_at, By.META, "user_preferences", ref, received_at)
        found.append(Encounter(tenant, number, tuple(names), received_at, words=[word]))
    return found


def _within(value: Any) -> Any:
    """Return the value, or None where it is nested so deeply that its readers could not write it again."""
    return value if _depth_fits(value, DEEPEST) else None


def _depth_fits(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    return levels > 0 and all(
        _depth_fits(part, levels - 1) for part in (value.values() if isinstance(value, dict) else value)
    )


def _text(value: Any) -> str | None:
    return value[:512] if isinstance(value, str) and value else None


def inbound_message(item: MessageItem, read: Inbound, known: dict[str, str], arrived: datetime) -> InboundMessage:
    """Return what is stored of an inbound message; `known` says whose contact each alias is."""
    tenant = read.encounter.tenant
    contact_id = known[read.encounter.aliases[0]]
    return InboundMessage(
        tenant=tenant,
        waba_id=item.waba_id,
        phone_number_id=item.phone_number_id,
        contact_id=contact_id,
        conversation_id=conversation_id_of(contact_id, item.phone_number_id),
        wamid=read.wamid,
        sender=read.sender,
        user_id=read.user_id,
        profile_name=read.encounter.profile_name,
        type=read.type,
        at=read.at,
        received_at=arrived,
        content=read.content,
        context_wamid=read.context_wamid,
        referral=read.referral,
        group_id=read.group_id,
    )
