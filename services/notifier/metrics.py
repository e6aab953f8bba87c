"""The notifier's metrics, each with its sentence."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 36000, 86400, 259200)

EVENTS = Counter("wabus_notifier_events_total", "Events that some endpoint wanted, by type.", ["type"])
QUEUED = Counter("wabus_notifier_queued_total", "Deliveries stored (an event may be several).")
SKIPPED = Counter("wabus_notifier_skipped_total", "Events sent to nobody though wanted, by reason.", ["reason"])
ATTEMPTS = Counter("wabus_notifier_attempts_total", "Attempts, by outcome (`delivered` or the error).", ["outcome"])
ENDED = Counter("wabus_notifier_deliveries_total", "Deliveries that came to an end, by outcome.", ["outcome"])
AGE = Histogram("wabus_notifier_delivery_age_seconds", "From a delivery's start to its success.", buckets=_SECONDS)
TRIPPED = Counter("wabus_notifier_circuit_opened_total", "Times that a failing endpoint was left in peace.")
DISABLED = Counter("wabus_notifier_endpoints_disabled_total", "Endpoints that we disabled, by reason.", ["reason"])
WAITING = Gauge("wabus_notifier_waiting_deliveries", "Deliveries that are to be sent, counted up to 100,000.")
OLDEST = Gauge("wabus_notifier_overdue_seconds", "For how long the delivery that is most overdue is due.")
DISABLED_NOW = Gauge("wabus_notifier_disabled_endpoints", "Endpoints that are disabled now, by whomever.")

# A rate sees the first step only from a 0 that was there.
for _reason in ("too_old", "before_the_endpoint"):
    SKIPPED.labels(_reason)
for _disabled in ("failing", "gone"):
    DISABLED.labels(_disabled)
for _outcome in ("delivered", "failed"):
    ENDED.labels(_outcome)
