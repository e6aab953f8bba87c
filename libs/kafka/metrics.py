"""The metrics of every consumer, each with its sentence."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from libs.kafka.errors import Reason

DEAD_LETTERS = Counter(
    "wabus_dead_letters_total", "Records buried in a dead-letter topic, by reason.", ["topic", "group", "reason"]
)
# By topic too: two consumers of one process may share a group, each with topics of its own.
LAG = Gauge("wabus_consumer_lag_records", "Records of the partitions owned here, not finished yet.", ["topic", "group"])
FINISHED = Counter("wabus_consumer_finished_total", "Records finished and committed.", ["topic", "group"])
HALTED = Gauge(
    "wabus_consumer_halted", "1 where the ceiling on dead letters has stopped this consumer.", ["topic", "group"]
)
PARTITIONS = Gauge("wabus_consumer_partitions", "Partitions that this process owns.", ["topic", "group"])


def announce(topics: Iterable[str], group: str) -> None:
    """Show a consumer's counters from its start: the first dead letter is a step from 0, which a rate can see."""
    for topic in topics:
        FINISHED.labels(topic, group)
        HALTED.labels(topic, group).set(0)
        for reason in Reason:
            DEAD_LETTERS.labels(topic, group, str(reason))
