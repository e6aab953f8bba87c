"""The metrics of every consumer, each with its sentence."""

from prometheus_client import Counter, Gauge

DEAD_LETTERS = Counter(
    "wabus_dead_letters_total", "Records buried in a dead-letter topic, by reason.", ["topic", "group", "reason"]
)
# By topic too: two consumers of one process may share a group, each with topics of its own.
LAG = Gauge("wabus_consumer_lag_records", "Records of the partitions owned here, not finished yet.", ["topic", "group"])
PARTITIONS = Gauge("wabus_consumer_partitions", "Partitions that this process owns.", ["topic", "group"])
