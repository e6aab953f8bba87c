"""What every message body has, and the bodies of `POST /messages` and `POST /messages/template`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Secret, StringConstraints

from libs.graph.free_form import TEXT
from libs.graph.places import Problem
from libs.ledger.recipients import WORDS, normalised
from libs.runtime.ids import is_uuid

TTL_MOST = 30 * 24 * 3600  # seconds: as long as Meta keeps trying
DEFAULT_TTL = timedelta(hours=24)
AUTHENTICATION_TTL = timedelta(minutes=10)  # Meta's default for one-time codes


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Must not contain the character NUL.")
    return text


def _recipient(text: str) -> str:
    found = normalised(text)
    if found is None:
        raise ValueError(WORDS)
    return found


def _message_id(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("Must be the id of a message of ours (a UUID).")
    return text


def _moment(value: object) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("Must be a time in RFC 3339 with an offset, for example 2026-11-23T09:30:00Z.")


Plain = Annotated[str, AfterValidator(_no_nul)]
Pin = Secret[Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]]
GraphId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
Recipient = Annotated[str, StringConstraints(min_length=1, max_length=160), AfterValidator(_recipient)]

MessageId = Annotated[str, StringConstraints(max_length=36), AfterValidator(_message_id)]
_MomentText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=_MomentText)]


class MessageBody(BaseModel):
    """What every message body has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    phone_number_id: Annotated[GraphId, Field(description="The number that sends, by its Graph id.")]
    to: Annotated[Recipient, Field(description="E.164 phone number, or a business-scoped user id.")]
    client_ref: Annotated[
        Plain | None, Field(max_length=256, description="Your own reference; comes back everywhere.")
    ] = None
    ttl: Annotated[
        int | None, Field(ge=1, le=TTL_MOST, description="Seconds after which a message still queued expires.")
    ] = None
    reply_to: Annotated[
        MessageId | None, Field(description="Our id of the message of this conversation that this one answers.")
    ] = None
    send_at: Annotated[
        Moment | None, Field(description="When to send it (RFC 3339), at most 30 days ahead; `ttl` counts from then.")
    ] = None

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        raise NotImplementedError

    def problems(self) -> Sequence[Problem]:
        """Return what Meta would not take of it beyond what the fields themselves allow."""
        return ()

    @property
    def target(self) -> tuple[str, str] | None:
        """The field that names another message of the conversation, and our id of it."""
        return ("reply_to", self.reply_to) if self.reply_to is not None else None

    def aimed(self, content: dict[str, Any], wamid: str) -> dict[str, Any]:
        """Return the content with Meta's id of the target in its place."""
        return content | {"context": {"message_id": wamid}}


class TextBody(MessageBody):
    """`POST /messages`: a text, sent inside the customer service window."""

    text: Annotated[Plain, Field(min_length=1, max_length=TEXT, description="The text, 1 to 4096 characters.")]
    preview_url: Annotated[bool | None, Field(description="Whether WhatsApp shows a preview of the first link.")] = None

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        text: dict[str, Any] = {"body": self.text}
        if self.preview_url is not None:
            text["preview_url"] = self.preview_url
        return {"type": "text", "text": text}


class TemplateBody(MessageBody):
    """`POST /messages/template`: an approved template, sent at any time."""

    template: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$"), Field(description="Its name.")]
    language: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$"), Field(description="For example `en_US`.")
    ]
    components: Annotated[
        list[dict[str, Any]],
        Field(max_length=20, description="Values for the template's variables, as Meta takes them."),
    ] = Field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        template: dict[str, Any] = {"name": self.template, "language": {"code": self.language}}
        if self.components:
            template["components"] = self.components
        return {"type": "template", "template": template}
