"""The bodies of `POST /messages/media`, `/interactive`, `/location`, `/contacts` and `/reaction`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from libs.graph.free_form import CAPTION, FILENAME, MEDIA, PLACE_NAME, contacts_problems, is_emoji
from libs.graph.interactive import interactive_problems
from libs.graph.places import LINK, Problem, is_link
from libs.requests.bodies import GraphId, MessageBody, MessageId, Plain


class MediaBody(MessageBody):
    """`POST /messages/media`: a file, by the id of its upload or by a link that Meta fetches."""

    type: Annotated[Literal["image", "document", "audio", "video", "sticker"], Field(description="What it is.")]
    media_id: Annotated[GraphId | None, Field(description="The `media_id` of an upload; this or `link`.")] = None
    link: Annotated[
        Plain | None, Field(max_length=LINK, description="Where Meta fetches the file; this or `media_id`.")
    ] = None
    caption: Annotated[
        Plain | None, Field(min_length=1, max_length=CAPTION, description="Below an image, a video or a document.")
    ] = None
    filename: Annotated[
        Plain | None, Field(min_length=1, max_length=FILENAME, description="A document's name, with its ending.")
    ] = None
    voice: Annotated[bool | None, Field(description="Whether an audio (Ogg, Opus) shows as a voice note.")] = None

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        fields = {
            "id": self.media_id, "link": self.link, "caption": self.caption, "filename": self.filename,
            "voice": self.voice,
        }  # fmt: skip
        return {"type": self.type, self.type: {name: value for name, value in fields.items() if value is not None}}

    def problems(self) -> Sequence[Problem]:
        """Return what does not go together."""
        return list(self._problems())

    def _problems(self) -> Iterator[Problem]:
        if (self.media_id is None) == (self.link is None):
            yield Problem("media_id", "Give exactly one of media_id and link.")
        elif self.link is not None and not is_link(self.link):
            yield Problem("link", "Must be an http or https address.")
        for name in ("caption", "filename", "voice"):
            if getattr(self, name) is not None and name not in MEDIA[self.type]:
                kinds = ", ".join(kind for kind, more in MEDIA.items() if name in more)
                yield Problem(name, f"Goes with {kinds} only.")


class InteractiveBody(MessageBody):
    """`POST /messages/interactive`: buttons, lists, links, flows, products, carousels."""

    interactive: Annotated[
        dict[str, Any],
        Field(
            description="As Meta takes it: `type` (button, list, cta_url, location_request_message, flow, product, "
            "product_list, catalog_message, address_message, carousel), `header`, `body`, `footer`, `action`."
        ),
    ]

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        return {"type": "interactive", "interactive": self.interactive}

    def problems(self) -> Sequence[Problem]:
        """Return what Meta would not take."""
        return interactive_problems(self.interactive)


class LocationBody(MessageBody):
    """`POST /messages/location`: a place on the map."""

    latitude: Annotated[float, Field(ge=-90, le=90, description="Degrees north.")]
    longitude: Annotated[float, Field(ge=-180, le=180, description="Degrees east.")]
    name: Annotated[Plain | None, Field(min_length=1, max_length=PLACE_NAME, description="What the place is.")] = None
    address: Annotated[
        Plain | None, Field(min_length=1, max_length=PLACE_NAME, description="Shown only below a `name`.")
    ] = None

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        location: dict[str, Any] = {"latitude": self.latitude, "longitude": self.longitude}
        location |= {name: text for name in ("name", "address") if (text := getattr(self, name)) is not None}
        return {"type": "location", "location": location}


class ContactsBody(MessageBody):
    """`POST /messages/contacts`: contact cards."""

    contacts: Annotated[
        list[dict[str, Any]],
        Field(description="1 to 257 cards as Meta takes them; each needs `name.formatted_name` and one name part."),
    ]

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        return {"type": "contacts", "contacts": self.contacts}

    def problems(self) -> Sequence[Problem]:
        """Return what Meta would not take."""
        return contacts_problems(self.contacts)


class ReactionBody(MessageBody):
    """`POST /messages/reaction`: an emoji on a message of the conversation."""

    message_id: Annotated[MessageId, Field(description="Our id of the message reacted to.")]
    emoji: Annotated[Plain, Field(max_length=32, description="One emoji; empty takes the reaction back.")]

    def content(self) -> dict[str, Any]:
        """Return Graph's part for this message."""
        return {"type": "reaction", "reaction": {"message_id": self.message_id, "emoji": self.emoji}}

    def problems(self) -> Sequence[Problem]:
        """Return what Meta would not take."""
        found = []
        if self.emoji and not is_emoji(self.emoji):
            found.append(Problem("emoji", "Must be one emoji, or empty to take the reaction back."))
        if self.reply_to is not None:
            found.append(Problem("reply_to", "A reaction cannot be a reply: message_id names its target."))
        return found

    @property
    def target(self) -> tuple[str, str] | None:
        """The message reacted to."""
        return "message_id", self.message_id

    def aimed(self, content: dict[str, Any], wamid: str) -> dict[str, Any]:
        """Return the content with Meta's id of the target in its place."""
        return content | {"reaction": content["reaction"] | {"message_id": wamid}}
