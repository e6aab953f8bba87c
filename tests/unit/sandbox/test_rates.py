from pathlib import Path
from typing import cast

import pytest

from services.sandbox.behaviour import Limits
from services.sandbox.errors import GraphError
from services.sandbox.model import Number, Portfolio
from services.sandbox.rates import DAY, Rates
from services.sandbox.store import Store

NOW = 1_790_000_000.0


class NoStore:
    """Nobody counts yet, and nothing is kept."""

    def reached(self, since: float) -> list[tuple[str, str, float]]:
        """Return nobody."""
        return []

    def add_reached(self, portfolio_id: str, person: str, at: float) -> None:
        """Keep nothing."""


def rates(**limits: bool | int) -> Rates:
    wish = Limits()
    wish.change(dict(limits))
    return Rates(wish, cast(Store, NoStore()), NOW)


def number(throughput: int = 80) -> Number:
    return Number("n", "w", "p", "+1 555-200-0000", "Shop", throughput)


def codes(limiter: Rates, sender: Number, people: list[str], now: float) -> list[int]:
    found = []
    for person in people:
        try:
            limiter.take(sender, person, now)
        except GraphError as error:
            found.append(error.code)
    return found


@pytest.mark.parametrize("throughput", [20, 80, 1000])
def test_a_number_sends_at_its_throughput_and_no_faster(throughput: int) -> None:
    limiter, sender = rates(), number(throughput)
    people = [str(n) for n in range(throughput * 2)]
    refused = codes(limiter, sender, people, NOW)
    assert set(refused) == {130429}
    assert len(people) - len(refused) == int(throughput * 1.1)
    for second in range(1, 4):
        assert codes(limiter, sender, people[:throughput], NOW + second) == []


def test_a_person_gets_forty_five_at_once_then_one_in_six_seconds() -> None:
    limiter, sender = rates(), number(1000)
    assert codes(limiter, sender, ["u"] * 45, NOW) == []
    assert codes(limiter, sender, ["u"], NOW) == [131056]
    assert codes(limiter, sender, ["v"], NOW) == []
    for step in range(1, 10):
        assert codes(limiter, sender, ["u"], NOW + 6 * step) == []
        assert codes(limiter, sender, ["u"], NOW + 6 * step) == [131056]


def test_lifted_limits_do_not_hold() -> None:
    limiter = rates(throughput=False, pair_rate=False)
    assert codes(limiter, number(), ["u"] * 500, NOW) == []


def test_the_messaging_limit_counts_people_not_messages_over_a_rolling_day() -> None:
    limiter, portfolio = rates(), Portfolio("p", "Shop", 2)
    assert limiter.reach(portfolio, "a", NOW)
    assert limiter.reach(portfolio, "b", NOW + 10)
    assert not limiter.reach(portfolio, "c", NOW + 20)
    assert limiter.reach(portfolio, "a", NOW + 30)
    assert not limiter.reach(portfolio, "c", NOW + DAY + 1), "who is written to again counts from then on"
    assert limiter.reach(portfolio, "c", NOW + DAY + 11)
    assert not limiter.reach(portfolio, "d", NOW + DAY + 12)
    unlimited = Portfolio("q", "Shop", None)
    assert all(limiter.reach(unlimited, str(n), NOW) for n in range(300))


def test_who_was_reached_is_remembered_by_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store._db.execute("INSERT INTO reached VALUES ('p', 'a', ?)", (NOW,))
    limiter = Rates(Limits(), store, NOW + 60)
    assert not limiter.reach(Portfolio("p", "Shop", 1), "b", NOW + 60)
    store._db.close()


def test_the_marketing_cap_is_off_until_it_is_set() -> None:
    portfolio = Portfolio("p", "Shop")
    assert all(rates().market(portfolio, "u", NOW) for _ in range(10))
    limiter = rates(marketing_per_user=2)
    assert [limiter.market(portfolio, "u", NOW) for _ in range(3)] == [True, True, False]
    assert limiter.market(portfolio, "u", NOW + DAY + 1)


def test_management_calls_have_an_hourly_budget() -> None:
    limiter = rates()
    for _ in range(200):
        limiter.manage("app", "waba", False, NOW)
    with pytest.raises(GraphError) as error:
        limiter.manage("app", "waba", False, NOW + 10)
    assert error.value.code == 80007
    assert limiter.manage("app", "waba", False, NOW + 3600) == 0
    assert limiter.manage("app", "waba", True, NOW + 3600) == 0
