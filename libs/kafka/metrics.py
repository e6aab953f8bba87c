"""The metrics of every consumer, each with its sentence."""

from prometheus_client import Counter, Gauge

DEAD_LETTERS = Counter(
    "wabus_dead_letters_total", "Records buried in a dead-letter topic, by reason.", ["topic", "group", "reason"]
)
LAG = Gauge("wabus_consumer_lag_records", "Records of a consumer group's topics not finished here.", ["group"])
PARTITIONS = Gauge("wabus_consumer_partitions", "Partitions that this process owns.", ["group"])
