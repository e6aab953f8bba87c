"""Send windows and quiet hours as callers give them."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.campaigns.hours import DAYS

Clock = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(description="Local time, like 21:00.")
]

NOT_ZONES = frozenset({"localtime", "Factory", "posixrules"})  # names in the database that say nothing of a place


def _known_zone(name: str) -> str:
    if name not in available_timezones() or name in NOT_ZONES:
        raise ValueError("Must be a time zone of the IANA database, for example Europe/Berlin.")
    return ZoneInfo(name).key


def _days(days: list[str]) -> list[str]:
    if len(set(days)) < len(days) or not set(days) <= set(DAYS):
        raise ValueError(f"Must be days of the week, each once: {', '.join(DAYS)}.")
    return days


class _Hours(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]

    @model_validator(mode="after")
    def _apart(self) -> "_Hours":
        if self.begin == self.end:
            raise ValueError("`from` and `to` must differ.")
        return self

    def kept(self) -> dict[str, Any]:
        """Return it as it lies in the campaign."""
        return self.model_dump(by_alias=True)


class QuietHoursBody(_Hours):
    """Hours in which nobody is written to, in the local time of each recipient by the country of their number."""


class SendWindowBody(_Hours):
    """Hours of some days outside of which nobody is written to, in one time zone."""

    days: Annotated[list[str], AfterValidator(_days), Field(min_length=1, max_length=7)] = list(DAYS)
    time_zone: Annotated[
        str, AfterValidator(_known_zone), Field(max_length=64, description="IANA, like Europe/Berlin.")
    ]
