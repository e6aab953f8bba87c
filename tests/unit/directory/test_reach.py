"""What a key reaches of its tenant, and what becomes of queries by it."""

from typing import Any

import pytest

from libs.directory.reach import ALL_ACCOUNTS, EVERYTHING, Reach, reach_of

LIVE, SANDBOX = {"waba_id": "1", "sandbox": False}, {"waba_id": "2", "sandbox": True}
NUMBERS = [{"_id": "11", "waba_id": "1"}, {"_id": "22", "waba_id": "2"}, {"_id": "33", "waba_id": "3"}]


def test_of_both_kinds_the_sandboxs_are_reached() -> None:
    reach = reach_of([LIVE, SANDBOX], NUMBERS)
    assert reach == Reach(frozenset({"2"}), frozenset({"22"}), others=True)
    assert [reach.has_account(each) for each in ("1", "2", "3", None)] == [False, True, False, False]
    assert [reach.has_number(each) for each in ("11", "22", "33", None)] == [False, True, False, False]


def test_where_all_are_a_sandboxs_no_account_is_left_out() -> None:
    reach = reach_of([SANDBOX], NUMBERS)
    assert reach.has_account("2")
    assert reach.has_number("22")
    assert not reach.limited


@pytest.mark.parametrize("accounts", [[], [SANDBOX], [SANDBOX, LIVE]])
def test_of_what_no_account_owns_a_test_key_reaches_what_test_keys_made_whatever_accounts_there_are(
    accounts: list[dict[str, Any]],
) -> None:
    assert reach_of(accounts, NUMBERS).by_maker({"a": 1}) == {"$and": [{"a": 1}, {"mode": "test"}]}


def test_without_an_account_nothing_is_reached_and_there_are_no_others() -> None:
    assert reach_of([], NUMBERS) == Reach(frozenset(), frozenset())


@pytest.mark.parametrize("other", [{"waba_id": "2"}, {"waba_id": "2", "sandbox": False}])
def test_an_account_that_was_ever_connected_as_another_is_no_sandboxs(other: dict[str, Any]) -> None:
    assert reach_of([SANDBOX, other], NUMBERS) == Reach(frozenset(), frozenset(), others=True)


def test_queries_are_narrowed_beside_what_they_ask_for_and_left_alone_where_all_is_reached() -> None:
    reach, query = reach_of([LIVE, SANDBOX], NUMBERS), {"phone_number_id": "11", "waba_id": "1"}
    assert reach.by_number(query) == {"$and": [query, {"phone_number_id": {"$in": ["22"]}}]}
    assert reach.by_account(query) == {"$and": [query, {"waba_id": {"$in": ["2"]}}]}
    whole = (EVERYTHING.by_number, EVERYTHING.by_account, EVERYTHING.by_maker)
    for narrowed in (*whole, ALL_ACCOUNTS.by_number, ALL_ACCOUNTS.by_account):
        assert narrowed(query) is query
