import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.ids import derived_id, derived_time_id, earliest_id, is_uuid, new_id, time_id_after

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def test_new_ids_are_uuids_of_version_7_that_sort_in_the_order_they_were_made() -> None:
    made = [new_id() for _ in range(1_000)]
    assert made == sorted(made)
    assert {uuid.UUID(each).version for each in made} == {7}


@given(st.text(), st.text())
def test_the_same_parts_always_have_the_same_id(one: str, other: str) -> None:
    assert derived_id(one, other) == derived_id(one, other)
    assert is_uuid(derived_id(one, other))


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=3650)), st.text())
def test_a_derived_time_id_sorts_by_its_time(later: timedelta, part: str) -> None:
    first, second = derived_time_id(NOW, part), derived_time_id(NOW + later, "another")
    assert first < second
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert first == derived_time_id(NOW, part)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3650)), st.text())
def test_no_id_of_a_time_or_later_sorts_before_the_earliest(later: timedelta, part: str) -> None:
    assert (
        derived_time_id(NOW - timedelta(milliseconds=1), part) < earliest_id(NOW) <= derived_time_id(NOW + later, part)
    )
    assert is_uuid(earliest_id(NOW))


def test_only_the_canonical_form_is_a_uuid() -> None:
    made = new_id()
    assert is_uuid(made)
    assert not any(is_uuid(text) for text in (made.upper(), made.replace("-", ""), "{" + made + "}", "", "x" * 36))


def test_ids_after_others_sort_as_those_do_and_differ_by_time_and_number() -> None:
    others = sorted(derived_id("row", str(place)) for place in range(1_000))
    made = [time_id_after(NOW, each, 0) for each in others]
    assert made == sorted(made)
    assert len(set(made)) == 1_000
    assert all(uuid.UUID(each).version == 7 and uuid.UUID(each).variant == uuid.RFC_4122 for each in made)
    assert made[0] == time_id_after(NOW, others[0], 0)
    assert time_id_after(NOW, others[0], 1) not in made
    assert made[0][:13] == earliest_id(NOW)[:13]
