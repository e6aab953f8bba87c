"""Where sums are found that somebody asks for who does not reach all numbers of the tenant."""

from typing import Any

import pytest

from libs.directory.reach import Reach
from services.analytics.counting import Kind
from services.analytics.sums_store import Wanted, Whose

SOME = Whose("t", Reach(frozenset({"w"}), frozenset({"2", "1"}), others=True))
BY_NUMBER = {"rollup": {"$in": ["phone_number_id=1", "phone_number_id=2"]}}
NUMBERS = {"phone_number_id": {"$in": ["1", "2"]}}


@pytest.mark.parametrize(
    ("kind", "filters", "groups", "query"),
    [
        (Kind.COHORT, {}, (), BY_NUMBER),
        (Kind.COST, {}, ("category", "phone_number_id"), BY_NUMBER),
        (Kind.COST, {"category": "utility"}, (), BY_NUMBER | {"category": "utility"}),
        (Kind.COHORT, {"phone_number_id": "1"}, (), {"rollup": {"$in": ["phone_number_id=1"]}}),
        (Kind.COHORT, {"phone_number_id": "9"}, (), {"rollup": {"$in": []}}),
        (Kind.COHORT, {"country": "DE"}, (), {"$and": [{"rollup": "*", "country": "DE"}, NUMBERS]}),
        (Kind.COST, {}, ("country",), {"$and": [{"rollup": "*"}, NUMBERS]}),
        (
            Kind.COHORT, {"country": "DE", "phone_number_id": "9"}, (),
            {"$and": [{"rollup": "*", "country": "DE", "phone_number_id": "9"}, NUMBERS]},
        ),
    ],
)  # fmt: skip
def test_sums_are_those_of_the_numbers_that_are_reached(
    kind: Kind, filters: dict[str, str], groups: tuple[str, ...], query: dict[str, Any]
) -> None:
    assert Wanted(SOME, kind, filters, groups).query() == query


def test_who_reaches_everything_is_answered_from_the_smallest_sums() -> None:
    assert Wanted(Whose("t"), Kind.COHORT, {}).query() == {"rollup": ""}
    assert Wanted(Whose("t"), Kind.COHORT, {"phone_number_id": "9"}).query() == {"rollup": "phone_number_id=9"}
