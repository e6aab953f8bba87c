from datetime import UTC, datetime

from services.edge.buckets import Buckets


class HandClock:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


def test_a_bucket_gives_one_second_s_worth_at_once_and_then_its_rate() -> None:
    clock = HandClock()
    buckets = Buckets(3, clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert 0.3 < buckets.take("a") < 0.34
    assert buckets.take("b") == 0
    clock.seconds += 0.34
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0


def test_a_name_may_have_a_rate_of_its_own() -> None:
    buckets = Buckets(100, HandClock())
    assert buckets.take("slow", 1) == 0
    assert buckets.take("slow", 1) == 1
    assert [buckets.take("quick") for _ in range(100)] == [0] * 100


def test_a_look_takes_nothing() -> None:
    clock = HandClock()
    buckets = Buckets(1, clock, burst=2)
    assert all(buckets.missing("a") == 0 for _ in range(5))
    assert [buckets.take("a") for _ in range(2)] == [0, 0]
    assert buckets.missing("a") == 1
    clock.seconds += 1
    assert buckets.missing("a") == 0


def test_memory_is_bounded_and_who_is_asked_for_stays() -> None:
    clock = HandClock()
    buckets = Buckets(1, clock, most=100)
    assert buckets.take("busy") == 0
    for name in range(10_000):
        buckets.take(str(name))
        assert buckets.take("busy") > 0
        assert len(buckets) <= 100


def test_idle_buckets_are_forgotten() -> None:
    clock = HandClock()
    buckets = Buckets(1, clock)
    for name in range(50):
        buckets.take(str(name))
    for _ in range(2):
        clock.seconds += 61
        buckets.take("busy")
    assert len(buckets) == 1


def test_a_bucket_that_takes_long_to_fill_is_not_forgotten_before_it_is_full() -> None:
    clock = HandClock()
    buckets = Buckets(0.01, clock, burst=10)  # a thousand seconds
    for _ in range(10):
        assert buckets.take("a") == 0
    for _ in range(4):
        clock.seconds += 99
        buckets.take("b")
    assert [buckets.take("a") == 0 for _ in range(4)] == [True, True, True, False]
