"""The metrics of analytics, each with its sentence. Labels are from closed lists: nobody outside can add one."""

from prometheus_client import Counter, Gauge

COUNTED = Counter("wabus_analytics_counted_total", "Statuses and inbound messages counted.", ["status"])
REPEATED = Counter("wabus_analytics_repeated_total", "Events that had been counted before.")
CHARGED = Counter("wabus_analytics_charged_total", "Messages charged or found free.", ["category", "outcome"])
COST = Counter(
    "wabus_analytics_cost_total", "What messages cost by the rate card, as first booked.", ["category", "currency"]
)
REPLIES = Counter("wabus_analytics_replies_total", "Inbound messages looked at, by whether they reply.", ["outcome"])
BEHIND = Gauge("wabus_analytics_behind_seconds", "Age of the point up to which everything is counted.")
COMPARED = Counter("wabus_analytics_reconciliations_total", "Accounts compared with Meta's charges.", ["outcome"])
DRIFT = Gauge(
    "wabus_analytics_drift_messages", "Messages by which Meta's charges and ours differ on the last days.", ["category"]
)
DRIFT_CATEGORIES = (
    "marketing", "utility", "authentication", "authentication_international", "service", "marketing_lite",
    "referral_conversion", "general_purpose_ai", "group_marketing", "group_utility", "group_service", "unknown",
)  # fmt: skip

for _outcome in ("compared", "failed"):
    COMPARED.labels(_outcome)  # a rate sees the first step only from a 0 that was there
