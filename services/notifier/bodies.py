"""What callers send: unknown fields are refused, each field says what is allowed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from libs.egress.addresses import LONGEST_URL
from services.notifier.domain import DeliveryState
from services.notifier.event_types import CHOICES, TEST

MOST_NUMBERS = 100  # of a filter: more numbers than that are better all of them


def _known(names: list[str]) -> list[str]:
    if unknown := [name for name in names if name not in CHOICES]:
        raise ValueError(f"{unknown[0][:80]} is no event type; there are {', '.join(CHOICES)}.")
    return list(dict.fromkeys(names))


def _known_or_test(names: list[str]) -> list[str]:
    return _known([name for name in names if name != TEST]) + [TEST] * (TEST in names)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("Must be a time that exists in UTC.") from None


Events = Annotated[list[str], Field(min_length=1, max_length=50), AfterValidator(_known)]
Numbers = Annotated[list[Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]], Field(max_length=MOST_NUMBERS)]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, description="https; where events are POSTed to.")]
Description = Annotated[str, Field(max_length=500, description="Your own words.")]
Status = Annotated[Literal["enabled", "disabled"], Field(description="A disabled endpoint is sent nothing.")]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Body(BaseModel):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CreateBody(Body):
    """`POST /webhook_endpoints`."""

    url: Url
    events: Events = Field(description='Event types, families (`message.*`), or `["*"]` for all.')
    description: Description | None = None
    phone_number_ids: Numbers | None = Field(
        default=None, description="Only events of these numbers, and those that are about no single number."
    )
    status: Status = "enabled"


class UpdateBody(Body):
    """`PATCH /webhook_endpoints/{endpoint_id}`: what is given is set, the rest stays."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    phone_number_ids: Numbers | None = None
    status: Status | None = None

    def nulls(self) -> Sequence[str]:
        """Return the fields given as null that cannot be."""
        return [
            name for name in ("url", "events", "status") if name in self.model_fields_set and not getattr(self, name)
        ]


class ReplayBody(Body):
    """`POST …/replay`."""

    since: Moment = Field(description="Deliveries made at or after this time.")
    until: Moment | None = Field(default=None, description="And before this one.")
    events: Annotated[list[str], Field(min_length=1, max_length=50), AfterValidator(_known_or_test)] | None = Field(
        default=None, description="Only these event types or families."
    )
    status: DeliveryState | None = Field(default=None, description="Only deliveries in this state, such as `failed`.")


class EmptyBody(Body):
    """A call that takes no fields."""
