"""The bodies of `/campaigns` and below."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.campaigns.hour_bodies import QuietHoursBody, SendWindowBody
from services.campaigns.protection import FAILED_SHARE, LEAST, OPTED_OUT_SHARE
from services.campaigns.variants import ALL, HOLD_OUT

MOST_ROWS = 10_000  # recipients of one JSON call; more come as a stream
MOST_MESSAGES = 1_000_000_000
LEAST_RATE = 0.01  # messages a second: one in 100 s
TTL_MOST = 30 * 24 * 3600  # seconds: as long as Meta keeps trying


YEARS = range(2000, 3000)  # what a moment may be in, with every offset still one that can be reckoned with


def _moment(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("Must have an offset, for example 2026-11-23T09:30:00Z.")
    if moment.year not in YEARS:
        raise ValueError(f"Must be in the years {YEARS[0]} to {YEARS[-1]}.")
    return moment


def _legible(name: str) -> str:
    if not name.strip() or any(unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") for each in name):
        raise ValueError("Must have something to read, and no control characters.")
    return name


def _money(amount: str) -> str:
    if not Decimal(amount):
        raise ValueError("Must be more than nothing.")
    return amount


GraphId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
Moment = Annotated[datetime, AfterValidator(_moment)]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$")]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_legible)]
Components = Annotated[
    list[dict[str, Any]], Field(max_length=20, description="Values for the template's variables, as Meta takes them.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WithRecipients(_Body):
    recipients: Annotated[
        list[Any], Field(max_length=MOST_ROWS, description='Rows `{"to", "components"}`, at most 10,000.')
    ]


class VariantBody(_Body):
    """One of several messages; what it leaves out is as in the campaign."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$"), Field(description="For the counts.")]
    share: Annotated[int, Field(ge=1, le=1000, description="Of the recipients, against the other variants'.")] = 1
    template: TemplateName | None = None
    language: Language | None = None
    components: Components | None = None


def _named_apart(variants: list[VariantBody]) -> list[VariantBody]:
    if taken := {each.name for each in variants} & {ALL, HOLD_OUT}:
        raise ValueError(f"The name {min(taken)} is taken.")
    if len({each.name for each in variants}) < len(variants):
        raise ValueError("Each variant must have a name of its own.")
    return variants


Variants = Annotated[list[VariantBody], Field(min_length=2, max_length=10), AfterValidator(_named_apart)]


class CreateBody(_Body):
    """`POST /campaigns`."""

    name: Annotated[Name, Field(description="For people to read.")]
    template: Annotated[TemplateName, Field(description="Its name.")]
    phone_number_id: Annotated[GraphId, Field(description="The number that sends, by its Graph id.")]
    language: Annotated[
        Language | None, Field(description="Optional where the template has one approved language.")
    ] = None
    variants: Annotated[
        Variants | None, Field(description="Several messages: a hash of the person decides who gets which.")
    ] = None
    hold_out: Annotated[int | None, Field(ge=1, le=90, description="Percent of the recipients who get nothing.")] = None
    require_consent: Annotated[bool, Field(description="Only to people who opted in, or wrote to the number.")] = False
    components: Annotated[Components | None, Field(description="For every recipient that brings none.")] = None
    ttl: Annotated[
        int | None, Field(ge=1, le=TTL_MOST, description="Seconds after which a message still queued expires.")
    ] = None
    recipients: Annotated[list[Any] | None, Field(max_length=MOST_ROWS, description="As in the call of their own.")] = (
        None
    )


class UpdateBody(_Body):
    """`PATCH /campaigns/{campaign_id}`: what changes."""

    name: Name = ""  # as the next one: given or left alone, never taken away
    components: Components = []
    ttl: Annotated[int | None, Field(ge=1, le=TTL_MOST)] = None


class RecipientsBody(_WithRecipients):
    """`POST /campaigns/{campaign_id}/recipients`."""


class ProtectionBody(_Body):
    """When a campaign pauses itself; shares are of those who were written to."""

    failed_share: Annotated[float, Field(gt=0, le=1, description="Pause when more than that failed.")] = FAILED_SHARE
    opted_out_share: Annotated[float, Field(gt=0, le=1, description="... or opted out.")] = OPTED_OUT_SHARE
    least: Annotated[
        int, Field(ge=1, le=MOST_MESSAGES, description="Failures, or opt-outs, before a share counts.")
    ] = LEAST


class MoneyBody(_Body):
    """An amount in the currency of the rate card."""

    amount: Annotated[
        str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$"), AfterValidator(_money),
        Field(description="Like 12.50."),
    ]  # fmt: skip
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="That of the rate card.")]


Rate = Annotated[
    float, Field(ge=LEAST_RATE, le=1000, description="At most so many a second; the number's own holds too.")
]
Messages = Annotated[
    int, Field(ge=1, le=MOST_MESSAGES, description="The campaign pauses before it sends one message more.")
]
MaxCost = Annotated[MoneyBody, Field(description="Money: it pauses before a message that would exceed it.")]


class LaunchBody(_Body):
    """`POST /campaigns/{campaign_id}/launch`."""

    dry_run: Annotated[bool, Field(description="Only answer what a launch would do.")] = False
    scheduled_at: Annotated[Moment | None, Field(description="When to begin (RFC 3339).")] = None
    rate_per_second: Rate | None = None
    budget: Messages | None = None
    max_cost: MaxCost | None = None
    quiet_hours: QuietHoursBody | None = None
    send_window: SendWindowBody | None = None
    protection: Annotated[ProtectionBody | None, Field(description="Other thresholds than the usual ones.")] = None
    auto_resume: Annotated[
        bool, Field(description="Go on by itself where what made it pause is gone: a paused template, a red number.")
    ] = False


class ResumeBody(_Body):
    """`POST /campaigns/{campaign_id}/resume`: what is to be different from now on."""

    rate_per_second: Rate | None = None
    budget: Annotated[Messages | None, Field(description="In all, those before the pause included.")] = None
    max_cost: Annotated[MaxCost | None, Field(description="In all; only of one that was launched with some.")] = None


class RetryBody(_Body):
    """`POST /campaigns/{campaign_id}/retry`: failed recipients once more."""

    codes: Annotated[list[str] | None, Field(max_length=50, description="Only those who failed with these codes.")] = (
        None
    )


class EmptyBody(_Body):
    """No field is known."""
