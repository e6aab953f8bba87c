"""The base of every event model, and the registry that says which type belongs to which topic."""

from typing import ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.events.envelope import Envelope, UnreadableEnvelope

E = TypeVar("E", bound="Event")


class UnreadableEvent(Exception):
    """The value is not what its type promises; the text names the field, never its value."""


class UnknownType(UnreadableEvent):
    """The type, or its version, is not one that this reader knows: the record is parked, not guessed at."""


class Event(BaseModel):
    """A command or event: what producers write is strict, what consumers read ignores fields they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="utf8")

    VERSION: ClassVar[int] = 1
    TOPICS: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def type_name(cls) -> str:
        """Return the CloudEvents type, for example `MessageStatusChanged.v1`."""
        return f"{cls.__name__}.v{cls.VERSION}"

    def to_bytes(self) -> bytes:
        """Return the JSON value of the record; fields that are None are left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def read(cls: type[E], value: bytes | None) -> E:
        """Read the record's value, ignoring unknown fields; raises UnreadableEvent naming the first wrong field."""
        try:
            return cls.model_validate_json(value or b"", extra="ignore")
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the value"
            raise UnreadableEvent(f"{cls.type_name()}: {place}: {first['msg']}") from None


class Told(NamedTuple):
    """An event with its envelope, ready to be published: topic, key and what is in it."""

    topic: str
    key: str
    envelope: Envelope
    event: Event


def registry() -> dict[str, dict[str, type[Event]]]:
    """Return topic -> type name -> model, from every Event class that names its topics."""
    found: dict[str, dict[str, type[Event]]] = {}
    for model in _models(Event):
        for topic in model.TOPICS:
            found.setdefault(topic, {})[model.type_name()] = model
    return found


def check_type(envelope: Envelope, *models: type[E]) -> type[E]:
    """Return the model for the envelope's type; raises UnknownType where none of the given ones is it."""
    for model in models:
        if envelope.type == model.type_name():
            return model
    raise UnknownType(f"type {envelope.type[:80]} is not known to this reader")


def _models(base: type[Event]) -> set[type[Event]]:
    return set(base.__subclasses__()).union(*(_models(child) for child in base.__subclasses__()))


__all__ = ["Event", "Told", "UnknownType", "UnreadableEnvelope", "UnreadableEvent", "check_type", "registry"]
