"""Every kind of message in one table: the path it is posted to, its body, and its types in lists of messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.graph.free_form import MEDIA
from libs.requests.bodies import MessageBody, TemplateBody, TextBody
from libs.requests.free_form_bodies import ContactsBody, InteractiveBody, LocationBody, MediaBody, ReactionBody
from libs.web.bodies import parse
from libs.web.errors import wrong


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to post a message."""

    path: str
    body: type[MessageBody]
    summary: str
    types: tuple[str, ...]


KINDS = (
    Kind("", TextBody, "Send a text inside the customer service window.", ("text",)),
    Kind("/template", TemplateBody, "Send an approved template.", ("template",)),
    Kind("/media", MediaBody, "Send an image, document, audio, video or sticker.", tuple(MEDIA)),
    Kind("/interactive", InteractiveBody, "Send buttons, a list, a flow or products.", ("interactive",)),
    Kind("/location", LocationBody, "Send a location.", ("location",)),
    Kind("/contacts", ContactsBody, "Send contact cards.", ("contacts",)),
    Kind("/reaction", ReactionBody, "React to a message with an emoji.", ("reaction",)),
)
BY_TYPE = {name: kind for kind in KINDS for name in kind.types}


def body_of(fields: Mapping[str, Any]) -> MessageBody:
    """Read a message whose `type` (text, where it is left out) says which of the bodies it is.

    Raises Invalid naming each field that does not fit.
    """
    name = fields.get("type", "text")
    kind = BY_TYPE.get(name) if isinstance(name, str) else None
    if kind is None:
        raise wrong("type", f"Must be one of {', '.join(BY_TYPE)}.")
    own = kind.body is MediaBody  # the one body whose own field this is
    rest = {field: value for field, value in fields.items() if own or field != "type"}
    return parse(kind.body, json.dumps(rest).encode())


def item_schemas(key_limit: int) -> list[dict[str, Any]]:
    """Return what one message of a list may be, kind by kind, as JSON Schema."""
    schemas = []
    for kind in KINDS:
        schema = kind.body.model_json_schema()
        named = {"type": {"enum": list(kind.types), "type": "string", "description": "Which kind of message it is."}}
        key = {"idempotency_key": {"type": "string", "minLength": 1, "maxLength": key_limit}}
        needed = [] if kind.body is TextBody else ["type"]
        schemas.append(
            schema
            | {"properties": schema["properties"] | named | key}
            | {"required": sorted({*schema["required"], *needed})}
        )
    return schemas
