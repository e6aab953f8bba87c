"""One template to many people: what runs, how fast, and what stops it."""

from deploy.grafana.asking import increase, lines, number, per_second, quantile
from deploy.grafana.panels import Board, Query, Row
from libs.events.topics import OUTBOUND_BULK

_NOW = Row("Now", [
    number("Running", "Campaigns that run now.", "short", "max(wabus_campaigns_running)", width=6),
    number("Launched", "Campaigns that were launched within 24 hours.", "short",
           "sum(increase(wabus_campaigns_launched_total[24h]))", width=6),
    number("Watched", "Streams of progress that somebody looks at now.", "short",
           "sum(wabus_campaigns_streams)", width=6),
    number("Taken back", "Queued messages that a pause or a cancel took back, within 24 hours.", "short",
           "sum(increase(wabus_campaigns_taken_back_total[24h]))", width=6),
])  # fmt: skip

_WAY = Row("From the list to the person", [
    lines("Recipients imported", "Rows of recipients: added, duplicates, invalid.", "cps",
          Query(per_second("wabus_campaigns_recipients_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Put into the ledger", "Messages that fan-out made; at most ten seconds ahead of the numbers' pace.", "cps",
          Query(per_second("wabus_campaigns_queued_total"), "queued")),
    lines("Recipients moved", "Recipients by the state that a status moved them to.", "cps",
          Query(per_second("wabus_campaigns_moved_total", "state"), "{{state}}"), stacked=True),
    lines("Wait for a slot", "How long messages wait for their number: campaigns get what replies leave.", "s",
          Query(quantile(0.95, "wabus_sender_bucket_wait_seconds", "lane"), "{{lane}}")),
    lines("From the ledger to Meta", "From a message's way into the ledger to Meta's id, 95th percentile.", "s",
          Query(quantile(0.95, "wabus_sender_accept_to_wamid_seconds", "lane"), "{{lane}}")),
    lines("Lag of the bulk lane", "Wake-ups of campaigns that senders have not finished.", "short",
          Query(f'sum(wabus_consumer_lag_records{{topic="{OUTBOUND_BULK}"}})', OUTBOUND_BULK)),
])  # fmt: skip

_STOPS = Row("What stops them", [
    lines("Paused by themselves", "Campaigns that paused within an hour, by reason.", "short",
          Query(increase("wabus_campaigns_paused_total", "reason"), "{{reason}}"), width=12),
    lines("Commands refused", "Commands and presses that were refused within an hour, by code.", "short",
          Query(increase("wabus_campaigns_commands_refused_total", "code"), "{{code}}"), width=12),
])  # fmt: skip

BOARD = Board(
    "wabus-campaigns", "Wabus: campaigns", "What runs, how fast it reaches people, and what stops it.",
    [_NOW, _WAY, _STOPS],
)  # fmt: skip
