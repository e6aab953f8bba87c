"""The bodies of `/campaigns` and below."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MOST_ROWS = 10_000  # recipients of one JSON call; more come as a stream
TTL_MOST = 30 * 24 * 3600  # seconds: as long as Meta keeps trying


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("Must have an offset, for example 2026-11-23T09:30:00Z.")
    return moment


GraphId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
Moment = Annotated[datetime, AfterValidator(_aware)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Components = Annotated[
    list[dict[str, Any]], Field(max_length=20, description="Values for the template's variables, as Meta takes them.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WithRecipients(_Body):
    recipients: Annotated[
        list[Any], Field(max_length=MOST_ROWS, description='Rows `{"to", "components"}`, at most 10,000.')
    ]


class CreateBody(_Body):
    """`POST /campaigns`."""

    name: Annotated[Name, Field(description="For people to read.")]
    template: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$"), Field(description="Its name.")]
    phone_number_id: Annotated[GraphId, Field(description="The number that sends, by its Graph id.")]
    language: Annotated[
        str | None, StringConstraints(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$"),
        Field(description="Optional where the template has one approved language."),
    ] = None  # fmt: skip
    components: Annotated[Components | None, Field(description="For every recipient that brings none.")] = None
    ttl: Annotated[
        int | None, Field(ge=1, le=TTL_MOST, description="Seconds after which a message still queued expires.")
    ] = None
    recipients: Annotated[list[Any] | None, Field(max_length=MOST_ROWS, description="As in the call of their own.")] = (
        None
    )


class UpdateBody(_Body):
    """`PATCH /campaigns/{campaign_id}`: what changes."""

    name: Name | None = None
    components: Components | None = None
    ttl: Annotated[int | None, Field(ge=1, le=TTL_MOST)] = None


class RecipientsBody(_WithRecipients):
    """`POST /campaigns/{campaign_id}/recipients`."""


class LaunchBody(_Body):
    """`POST /campaigns/{campaign_id}/launch`."""

    dry_run: Annotated[bool, Field(description="Only answer what a launch would do.")] = False
    scheduled_at: Annotated[Moment | None, Field(description="When to begin (RFC 3339).")] = None
    rate_per_second: Annotated[
        float | None, Field(gt=0, le=1000, description="At most so many a second; the number's own rate holds anyway.")
    ] = None
    budget: Annotated[
        int | None, Field(ge=1, description="Messages: the campaign pauses before it sends one more.")
    ] = None


class RetryBody(_Body):
    """`POST /campaigns/{campaign_id}/retry`: failed recipients once more."""

    codes: Annotated[list[str] | None, Field(max_length=50, description="Only those who failed with these codes.")] = (
        None
    )


class EmptyBody(_Body):
    """No field is known."""
