from libs.kafka.ceiling import Ceiling, CeilingWatch
from tests.unit.kafka.fakes import FakeClock


def test_the_few_bad_records_of_a_quiet_topic_are_below_the_ceiling() -> None:
    watch = CeilingWatch(Ceiling(share=0.1, from_count=10), FakeClock())
    for _ in range(10):
        assert watch.allows()
        watch.buried()
    assert not watch.allows()


def test_a_large_share_is_above_the_ceiling_and_a_small_one_is_not() -> None:
    watch = CeilingWatch(Ceiling(share=0.1, from_count=2), FakeClock())
    watch.finished(100)
    watch.buried(9)
    assert watch.allows()
    assert not watch.allows(4)


def test_so_many_a_minute_are_too_many_whatever_their_share() -> None:
    clock = FakeClock()
    watch = CeilingWatch(Ceiling(per_minute=20), clock)
    watch.finished(1_000_000)
    watch.buried(20)
    assert not watch.allows()
    clock.seconds += 61
    assert watch.allows()
