"""Edge's metrics, each with its sentence."""

from prometheus_client import Counter, Gauge

ACCEPTED = Counter(
    "wabus_edge_accepted_total", "Messages stored, by who brought them: `rest` or `command`.", ["lane", "way"]
)
REFUSED = Counter("wabus_edge_refused_total", "Commands of internal producers refused.", ["code"])
WAKE_UPS_DROPPED = Counter(
    "wabus_edge_wake_ups_dropped_total", "Wake-ups left to the sweeper: Kafka did not take them."
)
WEBHOOKS = Counter("wabus_edge_webhooks_total", "Webhook posts of Meta's, by what became of them.", ["outcome"])
WAITING = Gauge("wabus_edge_waiting_messages", "Messages of all tenants that wait to be sent.")
MEDIA_BYTES = Counter(
    "wabus_edge_media_bytes_total", "Bytes of files passed on whole, `up` to Meta or `down`.", ["way"]
)
TYPING = Counter("wabus_edge_typing_notices_total", "Answers that were shown to be on their way.", ["outcome"])
DEAD_LETTERS_SETTLED = Counter(
    "wabus_edge_dead_letters_settled_total", "Dead letters that were `replayed` or `discarded`.", ["topic", "state"]
)
ERASURES = Gauge("wabus_edge_erasures", "Deletions of people's data that are under way.")
ACCOUNTS = Gauge(
    "wabus_edge_accounts", "Connected accounts of all tenants; every edge counts the same.", ["status", "reason"]
)
NUMBERS = Gauge(
    "wabus_edge_numbers",
    "Connected numbers of all tenants, with Meta's quality rating; every edge counts the same.",
    ["status", "reason", "quality"],
)
PUBLIC_CERTIFICATE = Gauge(
    "wabus_edge_public_certificate_expiry_timestamp_seconds",
    "Unix time when the certificate ends that edge's public address shows; there once it is known.",
    ["address"],
)
DISK_SIZE = Gauge(
    "wabus_disk_size_bytes",
    "Size of the disk under a server's data, as it says itself: `mongodb`, `kafka-1`.",
    ["server"],
)
DISK_FREE = Gauge("wabus_disk_free_bytes", "What is free of that disk.", ["server"])

# A rate sees the first step only from a 0 that was there.
for _outcome in ("taken", "unsigned", "not_durable"):
    WEBHOOKS.labels(_outcome)
for _outcome in ("shown", "failed", "passed_by"):
    TYPING.labels(_outcome)
