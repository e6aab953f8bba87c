"""The tracker's metrics, each with its sentence."""

from prometheus_client import Counter, Gauge, Histogram

STATUSES = Counter("wabus_tracker_statuses_total", "Statuses of Meta's, by status.", ["status"])
INBOUND = Counter("wabus_tracker_inbound_total", "Messages of users, by type.", ["type"])
CHANGES = Counter("wabus_tracker_changes_total", "Other changes of Meta's, by field.", ["field"])
DROPPED = Counter("wabus_tracker_dropped_total", "Items that are not ours, by reason.", ["reason"])
MISFITS = Counter("wabus_tracker_misfits_total", "Parts of webhooks kept aside because they do not fit.", ["reason"])
DUPLICATE_SENDS = Counter("wabus_tracker_duplicate_sends_total", "Messages that Meta knows under two wamids.")
OPT_OUTS = Counter("wabus_tracker_opt_outs_total", "Opt-outs heard, by how they were said.", ["how"])
WEBHOOK_AGE = Histogram(
    "wabus_tracker_webhook_age_seconds",
    "From a webhook's arrival at edge to its effect in the ledger.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
REPLAYED = Counter("wabus_tracker_replayed_total", "Webhook bodies that were read once more, on request.")
META_DELAY = Histogram(
    "wabus_tracker_meta_delay_seconds",
    "From Meta's own time of a status or message (whole seconds) to its arrival at edge.",
    buckets=(1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 172800),
)
LAG = Gauge("wabus_tracker_lag_records", "Webhook records not applied yet.")

# A rate sees the first step only from a 0 that was there.
for _reason in ("status_of_no_concern", "status_of_no_message", "unknown_account", "unknown_number"):
    DROPPED.labels(_reason)
for _how in ("keyword", "button", "status", "user_preferences"):
    OPT_OUTS.labels(_how)
