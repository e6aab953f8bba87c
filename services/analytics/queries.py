"""What callers may ask: spans of time, zones and filters, wrong ones refused by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from starlette.datastructures import QueryParams

from libs.pricing.rate_card import one_spelling
from libs.runtime.ids import is_uuid
from libs.web.errors import wrong
from services.analytics.buckets import ceiling, floor
from services.analytics.charges import CATEGORIES
from services.analytics.errors import NoSuchCampaign

FILTERS = {
    "phone_number_id": "One of your numbers.",
    "campaign_id": "One of your campaigns.",
    "template": "A template's name.",
    "category": "marketing, utility, authentication, or service for what is no template.",
    "country": "Two letters of ISO 3166.",
}
SPAN = {
    "from": "A time with an offset, or a day of UTC (2026-11-01); default 30 days before `to`.",
    "to": "The same; of a day its end. Default now.",
}
USUAL = timedelta(days=30)
LONGEST = timedelta(days=3 * 366)
MOST_DAYS, USUAL_DAYS, MOST_DAYS_OF_HOURS = 90, 7, 7
_ZONES = available_timezones() - {"localtime", "Factory"}


@dataclass(frozen=True, slots=True)
class Span:
    """From a quarter of an hour to another."""

    start: datetime
    end: datetime


def asked(query: QueryParams) -> QueryParams:
    """Return what is asked for. Raises Invalid for what is given twice: nobody could say which of them is meant."""
    for name in query:
        if len(query.getlist(name)) > 1:
            raise wrong(name, "Must be given once.")
    return query


def span_of(query: QueryParams, now: datetime) -> Span | None:
    """Read `from` and `to`; widened to whole quarters of an hour. None where a campaign is asked for from beginning to
    end. Raises Invalid.
    """
    start, end = _moment(query, "from", last=False), _moment(query, "to", last=True)
    if start is None and end is None and "campaign_id" in query:
        return None
    end = ceiling(end or now)
    start = floor(start or end - USUAL)
    if start >= end:
        raise wrong(
            "to" if "to" in query else "from", "`from` must be before `to`, and before now where there is none."
        )
    if end - start > LONGEST:
        raise wrong("from", f"At most {LONGEST.days} days may be asked for at once.")
    return Span(start, end)


def _moment(query: QueryParams, name: str, *, last: bool) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    words = "Must be a day (2026-11-01) or a time with an offset (2026-11-01T09:30:00Z) of the years 2000 to 2999."
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            found = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=int(last))
        else:
            # A plus in a query string is a space unless it is escaped; people forget that.
            found = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except (ValueError, OverflowError):
        raise wrong(name, words) from None
    if found.tzinfo is None or not 2000 <= found.year < 3000:
        raise wrong(name, words)
    return found.astimezone(UTC)


def month_of(query: QueryParams, now: datetime) -> Span:
    """Read `month`, a month of UTC, this one where there is none. Raises Invalid."""
    text = query.get("month", f"{now:%Y-%m}")
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise wrong("month", "Must be a month of the years 2000 to 2999, for example 2026-11.")
    start = datetime(int(text[:4]), int(text[5:]), 1, tzinfo=UTC)
    return Span(start, (start + timedelta(days=31)).replace(day=1))


def filters_of(query: QueryParams) -> dict[str, str]:
    """Read the filters. Raises Invalid, or NoSuchCampaign for what can be none."""
    found = {name: query[name] for name in FILTERS if name in query}
    for name, value in found.items():
        if not value or len(value) > 512 or not value.isprintable():
            raise wrong(name, "Must be a text of up to 512 characters.")
    if "campaign_id" in found and not is_uuid(found["campaign_id"]):
        raise NoSuchCampaign("There is no such campaign.", param="campaign_id")
    if "country" in found:
        found["country"] = found["country"].upper()
        if not re.fullmatch(r"[A-Z]{2}", found["country"]):
            raise wrong("country", "Must be two letters of ISO 3166, for example IN.")
    if "category" in found:
        found["category"] = one_spelling(found["category"])
        if found["category"] not in CATEGORIES:
            raise wrong("category", f"Must be one of {', '.join(CATEGORIES)}.")
    return found


def days_of(query: QueryParams) -> int:
    """Read `days`. Raises Invalid."""
    text = query.get("days", str(USUAL_DAYS))
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MOST_DAYS:
        raise wrong("days", f"Must be a whole number from 1 to {MOST_DAYS}.")
    return int(text)


def zone_of(query: QueryParams) -> ZoneInfo:
    """Read `time_zone`. Raises Invalid."""
    name = query.get("time_zone", "UTC")
    if name not in _ZONES:
        raise wrong("time_zone", "Must be a time zone of the IANA database, for example Europe/Berlin.")
    return ZoneInfo(name)


def standing_of(query: QueryParams) -> bool:
    """Read `standing`. Raises Invalid."""
    return choice_of(query, "standing", ("true", "false")) == "true"


def choice_of(query: QueryParams, name: str, allowed: Sequence[str]) -> str:
    """Read one of several words, the first where there is none. Raises Invalid."""
    value = query.get(name, allowed[0])
    if value not in allowed:
        raise wrong(name, f"Must be one of {', '.join(allowed)}.")
    return value


def choices_of(query: QueryParams, name: str, allowed: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Read words with commas between. Raises Invalid."""
    if name not in query:
        return list(usual)
    found = [word.strip() for word in query[name].split(",")]
    if not set(found) <= set(allowed) or len(found) != len(set(found)):
        raise wrong(name, f"Must be some of {', '.join(allowed)}, with commas between and none twice.")
    return found


def described(*parts: Mapping[str, str], **more: str) -> dict[str, str]:
    """Put together what a call takes."""
    return {name: words for part in parts for name, words in part.items()} | more
