"""What is spent at Meta, and whether our books are right and up to date."""

from deploy.grafana.asking import increase, lines, number, per_second
from deploy.grafana.panels import Board, Query, Row

_SPENT = Row("What is spent", [
    lines("Cost per hour", "What was booked by the rate card within an hour, as first booked, in the currency named.",
          "short", Query(increase("wabus_analytics_cost_total", "category", "currency"), "{{category}} {{currency}}"),
          stacked=True, width=12),
    lines("Cost of 24 hours", "The same within 24 hours, by currency: what a day costs.", "short",
          Query(increase("wabus_analytics_cost_total", "currency", over="24h"), "{{currency}}"), width=12),
    lines("Messages charged", "Messages that were charged or found free, by category.", "cps",
          Query(per_second("wabus_analytics_charged_total", "category", "outcome"), "{{category}} {{outcome}}"),
          stacked=True, width=12),
    lines("Words of models", "Tokens that models of bots took, by their own word: a cost beside Meta's.", "cps",
          Query(per_second("wabus_autoreply_tokens_total", "direction"), "{{direction}}"), width=12),
])  # fmt: skip

_BOOKS = Row("Whether the books are right", [
    number("Counted up to", "Age of the point up to which everything is counted. Alert: AnalyticsBehind.", "s",
           "min(wabus_analytics_behind_seconds)", limit=900, width=8),
    number("Accounts compared", "Accounts whose charges were compared with Meta's within 24 hours.", "short",
           'sum(increase(wabus_analytics_reconciliations_total{outcome="compared"}[24h]))', width=8),
    number("Comparisons failed", "Accounts that could not be compared within 24 hours.", "short",
           'sum(increase(wabus_analytics_reconciliations_total{outcome="failed"}[24h]))', limit=1, width=8),
    lines("Drift", "Messages by which Meta's charges and ours differ on the last days. Alert: CostsDrift.", "short",
          Query("max by (category) (wabus_analytics_drift_messages)", "{{category}}"), limit=100),
    lines("Events counted", "Statuses and inbound messages that were counted, by status.", "cps",
          Query(per_second("wabus_analytics_counted_total", "status"), "{{status}}"), stacked=True),
    lines("Came again", "Events that had been counted before, and so were not.", "cps",
          Query(per_second("wabus_analytics_repeated_total"), "repeated")),
    lines("Replies", "Inbound messages by whether they reply to a message of ours.", "cps",
          Query(per_second("wabus_analytics_replies_total", "outcome"), "{{outcome}}"), width=24),
])  # fmt: skip

BOARD = Board(
    "wabus-costs", "Wabus: costs", "What is spent at Meta, and whether our books agree with its.", [_SPENT, _BOOKS]
)  # fmt: skip
