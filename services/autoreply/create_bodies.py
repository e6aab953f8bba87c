"""The kinds of bots, each with its body."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from libs.requests.bodies import Plain
from libs.web.bodies import parse
from services.autoreply.bodies import MOST_RULES, Body, DialogueBody, RuleBody, RulesBody
from services.autoreply.thinking_bodies import ModelBody, ModelEndpoint, WebhookBody

AnyBody = RulesBody | ModelBody | WebhookBody
KINDS: dict[str, type[AnyBody]] = {"rules": RulesBody, "model": ModelBody, "webhook": WebhookBody}


class _Kind(BaseModel):
    kind: Literal["rules", "model", "webhook"]


class CreateBody(RootModel[Annotated[AnyBody, Field(discriminator="kind")]]):
    """`POST /bots`: a body of one of the kinds."""

    model_config = ConfigDict(json_schema_extra={"type": "object", "required": ["name", "kind"]})


class UpdateBody(Body):
    """`PATCH /bots/{bot_id}`: only what is given changes, as far as bots of this kind have it."""

    name: Annotated[Plain | None, Field(min_length=1, max_length=100)] = None
    rules: Annotated[list[RuleBody] | None, Field(min_length=1, max_length=MOST_RULES)] = None
    dialogues: Annotated[list[DialogueBody] | None, Field(max_length=20)] = None
    model: Annotated[
        ModelEndpoint | None, Field(description="Its fields that are given; `key` too for another URL.")
    ] = None
    url: str | None = None
    history: int | None = None
    timeout: int | None = None
    wait_for_more: float | None = None
    fallback: Plain | None = None
    answers_per_hour: int | None = None
    typing_indicator: bool | None = None
    opt_out_answer: Annotated[Plain | None, Field(min_length=1, max_length=1_000)] = None


class _Given(RootModel[dict[str, Any]]):
    """Whatever fields are given."""


def body_in(raw: bytes) -> AnyBody:
    """Read the body of a new bot by its kind. Raises BadRequest, and Invalid naming each field."""
    return parse(KINDS[parse(_Kind, raw).kind], raw)


def given_in(raw: bytes) -> dict[str, Any]:
    """Read the fields of a change. Raises BadRequest, and Invalid where it is no object."""
    return parse(_Given, raw).root
