"""Edge's metrics, each with its sentence."""

from prometheus_client import Counter, Gauge, Histogram

ACCEPTED = Counter("wabus_edge_accepted_total", "Messages stored and answered 202.", ["lane"])
REFUSED = Counter("wabus_edge_refused_total", "Commands of internal producers refused.", ["code"])
WAKE_UPS_DROPPED = Counter(
    "wabus_edge_wake_ups_dropped_total", "Wake-ups left to the sweeper: Kafka did not take them."
)
WEBHOOKS = Counter("wabus_edge_webhooks_total", "Webhook posts of Meta's, by what became of them.", ["outcome"])
WEBHOOK_BYTES = Histogram(
    "wabus_edge_webhook_bytes", "Size of webhook bodies.", buckets=(1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 3e6)
)
WAITING = Gauge("wabus_edge_waiting_messages", "Messages of all tenants that wait to be sent.")
