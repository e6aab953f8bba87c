"""The bodies of `POST /messages` and `POST /messages/template`: fields, limits, and what they become."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Secret, StringConstraints

from services.edge.recipients import WORDS, normalised

TEXT_LIMIT = 4096  # characters, Meta's limit of a text body
TTL_MOST = 30 * 24 * 3600  # seconds: as long as Meta keeps trying
DEFAULT_TTL = timedelta(hours=24)
AUTHENTICATION_TTL = timedelta(minutes=10)  # Meta's default for one-time codes


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Must not contain the character NUL.")
    return text


def _recipient(text: str) -> str:
    found = normalised(text)
    if found is None:
        raise ValueError(WORDS)
    return found


Plain = Annotated[str, AfterValidator(_no_nul)]
Pin = Secret[Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]]
GraphId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
Recipient = Annotated[str, StringConstraints(min_length=1, max_length=160), AfterValidator(_recipient)]


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


class TextBody(MessageBody):
    """`POST /messages`: a text, sent inside the customer service window."""

    text: Annotated[Plain, Field(min_length=1, max_length=TEXT_LIMIT, description="The text, 1 to 4096 characters.")]
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
