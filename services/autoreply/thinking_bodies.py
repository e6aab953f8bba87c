"""What `/bots` takes of bots that think: a model, or the customer's own program."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from libs.egress.addresses import LONGEST_URL
from libs.requests.bodies import Plain
from services.autoreply.bodies import Body, BotName, OptOutAnswer

LONGEST_PROMPT = 20_000  # characters
Price = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$", description="Units of the currency, as text.")]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, description="https, to a public address.")]


Tool = Literal["hand_over", "opt_out"]
TOOLS: tuple[Tool, ...] = ("hand_over", "opt_out")


class ThinkingBody(Body):
    """What bots that think have in common."""

    name: BotName
    history: Annotated[int, Field(ge=0, le=50, description="Earlier messages of the conversation given along.")] = 10
    timeout: Annotated[int, Field(ge=1, le=60, description="Seconds for an answer, a second try included.")] = 20
    wait_for_more: Annotated[
        float,
        Field(ge=0, le=30, description="Seconds of silence after which a burst of messages is answered together."),
    ] = 2
    fallback: Annotated[
        Plain | None, Field(min_length=1, max_length=1_000, description="Said where no answer came; null: silence.")
    ] = None
    answers_per_hour: Annotated[int | None, Field(ge=1, le=30, description="To one person; then silence.")] = None
    typing_indicator: Annotated[
        bool, Field(description="Marks the message as read, and shows that an answer is being written.")
    ] = True
    opt_out_answer: OptOutAnswer = None


class Prices(Body):
    """What tokens cost: for the transcript, and for `cost_per_day`."""

    input: Annotated[Price, Field(description="Per million tokens.")]
    output: Annotated[Price, Field(description="Per million tokens.")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class ModelEndpoint(Body):
    """An endpoint that speaks OpenAI's chat completions."""

    url: Annotated[Url, Field(description="Whole, for example https://api.openai.com/v1/chat/completions.")]
    name: Annotated[Plain, Field(min_length=1, max_length=128, description="The model's name.")]
    key: Annotated[
        str | None,
        Field(max_length=512, pattern=r"^[!-~]*$", description="Bearer key; never shown again. Empty: none any more."),
    ] = None
    system_prompt: Annotated[Plain, Field(max_length=LONGEST_PROMPT)] = ""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    max_tokens: Annotated[int, Field(ge=1, le=8_192, description="Of one answer.")] = 500
    tools: Annotated[Sequence[Tool], Field(max_length=2, description="What it may do beside answering.")] = TOOLS
    tokens_per_day: Annotated[int | None, Field(ge=1, le=1_000_000_000, description="Days of UTC.")] = None
    cost_per_day: Annotated[Price | None, Field(description="Needs `prices`.")] = None
    prices: Prices | None = None

    @model_validator(mode="after")
    def _checked(self) -> "ModelEndpoint":
        if self.cost_per_day is not None and self.prices is None:
            raise ValueError("prices: Needed, for `cost_per_day` is counted by them.")
        if len(set(self.tools)) != len(self.tools):
            raise ValueError("tools: None twice.")
        return self


class ModelBody(ThinkingBody):
    """`POST /bots` of the kind `model`."""

    kind: Literal["model"]
    model: ModelEndpoint


class WebhookBody(ThinkingBody):
    """`POST /bots` of the kind `webhook`."""

    kind: Literal["webhook"]
    url: Annotated[Url, Field(description="https; where a person's messages are POSTed to, signed.")]
