"""What `/bots` takes."""

from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.requests.bodies import Plain

MOST_RULES = 200  # of a bot: each is tried in turn
MOST_ANSWERS = 5  # messages to one of a person's
LONGEST_VALUE = 256  # characters of a keyword
LONGEST_PATTERN = 1_000  # characters of a pattern
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DAYS = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

Answer = dict[str, Any]  # a message as `POST /messages` and its like take it, without `phone_number_id` and `to`


class Body(BaseModel):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeywordMatch(Body):
    """The words stand in the text, as whole words, whatever their case and accents."""

    type: Literal["keyword"]
    value: Annotated[Plain, Field(min_length=1, max_length=LONGEST_VALUE)]


class ExactMatch(Body):
    """The text is nothing but these words, whatever their case, accents and the punctuation around."""

    type: Literal["exact"]
    value: Annotated[Plain, Field(min_length=1, max_length=LONGEST_VALUE)]


class PatternMatch(Body):
    """A regular expression (RE2's syntax) is found in the text; its groups are variables of the answer."""

    type: Literal["pattern"]
    value: Annotated[Plain, Field(min_length=1, max_length=LONGEST_PATTERN)]


class PayloadMatch(Body):
    """A button or list row with this id, or a template's button with this payload, was tapped."""

    type: Literal["payload"]
    value: Annotated[Plain, Field(min_length=1, max_length=LONGEST_VALUE)]


class FirstMatch(Body):
    """It is the first message of the person to this number."""

    type: Literal["first"]


class HoursMatch(Body):
    """It comes outside these hours of a time zone."""

    type: Literal["outside_hours"]
    begin: Annotated[str, Field(alias="from", pattern=_CLOCK, description="For example 09:00.")]
    end: Annotated[str, Field(alias="to", pattern=_CLOCK, description="For example 17:30.")]
    days: Annotated[list[_DAYS], Field(min_length=1, max_length=7)] = ["mon", "tue", "wed", "thu", "fri"]
    time_zone: Annotated[str, Field(description="A name of the IANA database, for example Europe/Berlin.")] = "UTC"

    @model_validator(mode="after")
    def _checked(self) -> "HoursMatch":
        if self.time_zone not in available_timezones():
            raise ValueError("time_zone: Must be a time zone of the IANA database, for example Europe/Berlin.")
        if self.begin >= self.end:
            raise ValueError("from: Must be before `to`.")
        return self


class AnyMatch(Body):
    """Whatever the message is: the rule for what no rule before it was for."""

    type: Literal["any"]


Match = Annotated[
    KeywordMatch | ExactMatch | PatternMatch | PayloadMatch | FirstMatch | HoursMatch | AnyMatch,
    Field(discriminator="type"),
]


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class StepBody(Body):
    """One question of a dialogue: what is asked, what an answer has to be like, and where it leads."""

    name: Name
    ask: Answer
    save: Annotated[Name | None, Field(description="The variable that keeps the person's words.")] = None
    expect: Annotated[Match | None, Field(description="What an answer has to match; else the question again.")] = None
    otherwise: Annotated[Answer | None, Field(description="Said instead of the question again.")] = None
    go_to: Annotated[
        dict[str, Name], Field(max_length=20, description="Step by words or payload; else the next one.")
    ] = {}


class DialogueBody(Body):
    """Questions one after the other. It is over when it is through, or not answered for `timeout` seconds."""

    name: Name
    steps: Annotated[list[StepBody], Field(min_length=1, max_length=30)]
    done: Annotated[list[Answer], Field(max_length=MOST_ANSWERS, description="Said at its end.")] = []
    timeout: Annotated[int, Field(ge=10, le=86_400, description="Seconds.")] = 600
    handover: Annotated[bool, Field(description="Whether a person takes over at its end.")] = False


class RuleBody(Body):
    """What a message has to be like, and what is answered; the first rule of a bot that matches is taken."""

    name: Annotated[Plain | None, Field(min_length=1, max_length=100, description="Shown in transcripts.")] = None
    match: Match
    answer: Answer | None = None
    answers: Annotated[list[Answer], Field(max_length=MOST_ANSWERS, description="Several, in this order.")] = []
    handover: Annotated[bool, Field(description="Whether a person takes over the conversation after it.")] = False
    dialogue: Annotated[Name | None, Field(description="The dialogue that begins after the answer.")] = None

    @model_validator(mode="after")
    def _checked(self) -> "RuleBody":
        if self.answer is not None and self.answers:
            raise ValueError("answer: Give `answer` or `answers`, not both.")
        if not (self.said or self.handover or self.dialogue):
            raise ValueError("answer: Give `answer`, `answers`, `dialogue` or `handover`.")
        if self.handover and self.dialogue:
            raise ValueError("dialogue: Not where a person takes over.")
        return self

    @property
    def said(self) -> list[Answer]:
        """Return the answers, whichever way they were given."""
        return [self.answer] if self.answer is not None else list(self.answers)


BotName = Annotated[Plain, Field(min_length=1, max_length=100)]
OptOutAnswer = Annotated[
    Plain | None, Field(min_length=1, max_length=1_000, description="Said once to who opts out by a word.")
]


class RulesBody(Body):
    """`POST /bots` of the kind `rules`."""

    name: BotName
    kind: Literal["rules"]
    rules: Annotated[list[RuleBody], Field(min_length=1, max_length=MOST_RULES)]
    dialogues: Annotated[list[DialogueBody], Field(max_length=20)] = []
    opt_out_answer: OptOutAnswer = None
