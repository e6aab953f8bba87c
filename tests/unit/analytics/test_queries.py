"""What is asked wrongly is refused by name."""

from datetime import UTC, datetime

import pytest
from starlette.datastructures import QueryParams

from libs.web.errors import Invalid
from services.analytics import queries
from services.analytics.errors import NoSuchCampaign

NOW = datetime(2026, 11, 27, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize("days", ["0", "91", "abc", "-1", "1.5", "", "٣", "1e1", "007x"])
def test_days_that_are_none_are_refused(days: str) -> None:
    with pytest.raises(Invalid) as refused:
        queries.days_of(QueryParams({"days": days}))
    assert refused.value.param == "days"
    assert "1 to 90" in refused.value.message


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "localtime", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(Invalid) as refused:
        queries.zone_of(QueryParams({"time_zone": zone}))
    assert refused.value.param == "time_zone"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2027-01-01"}, "from"),
        ({"from": "2026-11-01T10:00:00"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"to": "1999-12-30"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "2020-01-01"}, "from"),
        ({"from": "9999-12-31"}, "from"),
        ({"to": "0001-01-01T00:00:00+23:00"}, "to"),
    ],
)
def test_a_span_that_is_none_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        queries.span_of(QueryParams(query), NOW)
    assert refused.value.param == param


def test_a_span_is_widened_to_quarters_and_a_day_has_its_end() -> None:
    span = queries.span_of(QueryParams({"from": "2026-11-01T10:07:00+01:00", "to": "2026-11-02"}), NOW)
    assert span is not None
    assert (span.start, span.end) == (
        datetime(2026, 11, 1, 9, 0, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    )  # fmt: skip


def test_thirty_days_up_to_now_are_usual_and_a_campaign_is_read_whole() -> None:
    span = queries.span_of(QueryParams({}), NOW)
    assert span is not None
    assert (span.end, span.end - span.start) == (datetime(2026, 11, 27, 10, 30, tzinfo=UTC), queries.USUAL)
    assert queries.span_of(QueryParams({"campaign_id": "x"}), NOW) is None


def test_what_can_be_no_campaign_is_none() -> None:
    with pytest.raises(NoSuchCampaign):
        queries.filters_of(QueryParams({"campaign_id": "nope"}))
    with pytest.raises(Invalid):
        queries.filters_of(QueryParams({"country": "Germany"}))


def test_what_is_given_twice_is_refused_by_name() -> None:
    with pytest.raises(Invalid) as refused:
        queries.asked(QueryParams([("country", "IN"), ("from", "2026-11-01"), ("country", "DE")]))
    assert refused.value.param == "country"
    assert queries.asked(QueryParams({"country": "IN"}))["country"] == "IN"


@pytest.mark.parametrize(("said", "kept"), [
    ("authentication-international", "authentication_international"), ("AI_BOT", "general_purpose_ai"),
    ("group_marketing", "group_marketing"),
])  # fmt: skip
def test_a_category_may_be_spelled_as_meta_does_anywhere(said: str, kept: str) -> None:
    assert queries.filters_of(QueryParams({"category": said})) == {"category": kept}
