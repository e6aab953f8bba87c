"""The circle at a glance: is anybody harmed, and at which stage does it hold."""

from deploy.grafana.asking import lines, number, per_second, quantiles
from deploy.grafana.panels import Board, Query, Row

_WELL = Row("Is all well", [
    number("Processes that answer", "Processes whose metrics Prometheus can read, of all that it knows.", "percentunit",
           'sum(up{job="wabus"}) / count(up{job="wabus"})'),
    number("Accept failures", "Calls to /messages that edge answered with 5xx, in five minutes. Alert: AcceptFailures.",
           "percentunit", "wabus:accept_failures:ratio5m", limit=0.01),
    number("Age of webhooks", "From edge to its effect in the ledger, 95th percentile. Alert: WebhookAge.", "s",
           "wabus:webhook_age_seconds:p95_5m", limit=30),
    number("Unknown outcomes", "Messages of which nobody knows yet whether Meta took them. Alert: UnknownGrowing.",
           "short", "wabus:unknown_messages:max", limit=20),
    number("Most behind", "Longest time that a consumer needs for what waits for it, at its pace. Alert: ConsumerLag.",
           "s", "max(wabus:consumer_behind:seconds)", limit=120),
    number("Dead letters", "Records buried within the last hour, of all consumers. Alert: DeadLetters.", "short",
           "sum(increase(wabus_dead_letters_total[1h]))", limit=1),
])  # fmt: skip

_ROUND = Row("Once round the circle: what passes each stage a second", [
    lines("Messages in", "Messages stored in the ledger, by lane and by who brought them: REST or a command.", "cps",
          Query(per_second("wabus_edge_accepted_total", "lane", "way"), "{{lane}} by {{way}}"), stacked=True),
    lines("To Meta", "POSTs to the Graph API by what is known of them afterwards.", "cps",
          Query(per_second("wabus_sender_attempts_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Webhooks from Meta", "Posts that came in at edge, by what became of them. Alert: WebhooksSilent.", "cps",
          Query(per_second("wabus_edge_webhooks_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Statuses", "What Meta said of messages, as the tracker applied it.", "cps",
          Query(per_second("wabus_tracker_statuses_total", "status"), "{{status}}"), stacked=True),
    lines("Messages of people", "What people wrote, by type.", "cps",
          Query(per_second("wabus_tracker_inbound_total", "type"), "{{type}}"), stacked=True),
    lines("What others make of it", "Answers of bots, deliveries to customers, events that analytics counted.", "cps",
          Query(per_second("wabus_autoreply_answers_total"), "answers of bots"),
          Query(per_second("wabus_notifier_deliveries_total"), "deliveries to customers ended"),
          Query(per_second("wabus_analytics_counted_total"), "counted by analytics")),
])  # fmt: skip

_WAITING = Row("Where it waits", [
    lines("Lag of each consumer", "Records that are not finished, summed over the owners of the partitions.", "short",
          Query("wabus:consumer_lag:records", "{{group}}: {{topic}}")),
    lines("Time behind", "What waits, divided by the pace of the last five minutes. It is large where nothing moves.",
          "s", Query("wabus:consumer_behind:seconds", "{{group}}: {{topic}}"), limit=120),
    lines("Messages that wait", "Messages of all tenants that are stored and not sent; each edge counts for itself.",
          "short", Query("max(wabus_edge_waiting_messages)", "waiting")),
    lines("From our 202 to Meta's id", "How long messages wait and travel until Meta has taken them, both lanes.", "s",
          *quantiles("wabus_sender_accept_to_wamid_seconds")),
    lines("From webhook to ledger", "From a webhook's arrival at edge until its effect is stored.", "s",
          *quantiles("wabus_tracker_webhook_age_seconds"), limit=30),
    lines("Answers of edge", "Time of calls to POST /messages, headers to answer. Alert: AcceptSlow.", "s",
          *quantiles("wabus_http_request_seconds", where='service="edge", route="/api/v1/whatsapp/messages"'), limit=1),
])  # fmt: skip

_PEOPLE = Row("Accounts and numbers", [
    lines("Accounts", "Connected accounts of all tenants; a stopped one has its reason. Alerts: TokenRevoked,"
          " AccountsStopped.", "short",
          Query("max by (status, reason) (wabus_edge_accounts)", "{{status}} {{reason}}"), width=12),
    lines("Numbers by quality", "Connected numbers by their status and Meta's quality rating. Alert: NumberQuality.",
          "short", Query("sum by (status, quality) (max by (status, reason, quality) (wabus_edge_numbers))",
                         "{{status}}, {{quality}}"), width=12),
])  # fmt: skip

BOARD = Board(
    "wabus-overview", "Wabus: overview", "Is anybody harmed, and at which stage of the circle does it hold?",
    [_WELL, _ROUND, _WAITING, _PEOPLE],
)  # fmt: skip
