"""Webhooks: in from Meta, out to customers."""

from deploy.grafana.asking import increase, lines, number, per_second, quantiles
from deploy.grafana.panels import Board, Query, Row

_WEBHOOK_ROUTE = 'service="edge", route=~"/webhooks/whatsapp.*"'

_DOOR = Row("In from Meta: the door", [
    lines("Posts", "Webhooks by what became of them: taken, not durable (503, Meta comes again), unsigned.", "cps",
          Query(per_second("wabus_edge_webhooks_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Time of the answer", "From the headers to our 200, which waits for Kafka's acknowledgement.", "s",
          *quantiles("wabus_http_request_seconds", where=_WEBHOOK_ROUTE), limit=5),
    lines("Turned away", "Shares of posts that were refused for our sake, and that bore no signature of ours. Alerts:"
          " WebhooksRefused, WebhooksUnsigned.", "percentunit",
          Query("wabus:webhooks_refused:ratio5m", "not durable"),
          Query("wabus:webhooks_unsigned:ratio15m", "unsigned")),
    lines("Read once more", "Bodies that an operator had read again (`wabus replay webhooks`).",
          "cps", Query(per_second("wabus_tracker_replayed_total"), "replayed")),
    lines("Age in our house", "From edge to the effect in the ledger. Alert: WebhookAge.", "s",
          *quantiles("wabus_tracker_webhook_age_seconds"), limit=30),
    lines("Age at arrival", "How old statuses and messages say they are when they reach edge. Alert: MetaDeliversLate.",
          "s", *quantiles("wabus_tracker_meta_delay_seconds"), limit=120),
    lines("Not applied yet", "Webhook bodies that the tracker has still to read.", "short",
          Query("sum(wabus_tracker_lag_records)", "bodies")),
])  # fmt: skip

_TRACKER = Row("In from Meta: what they say", [
    lines("Statuses", "What Meta says of messages.", "cps",
          Query(per_second("wabus_tracker_statuses_total", "status"), "{{status}}"), stacked=True),
    lines("Messages", "What people wrote, by type.", "cps",
          Query(per_second("wabus_tracker_inbound_total", "type"), "{{type}}"), stacked=True),
    lines("Other changes", "What Meta says of templates, accounts and numbers within an hour, by field.", "short",
          Query(increase("wabus_tracker_changes_total", "field"), "{{field}}")),
    lines("Not ours", "Items about numbers, accounts and messages that are not connected here, by reason.", "cps",
          Query(per_second("wabus_tracker_dropped_total", "reason"), "{{reason}}")),
    lines("Misfits", "Parts of webhooks that were kept aside because they do not fit, within an hour.", "short",
          Query(increase("wabus_tracker_misfits_total", "reason"), "{{reason}}")),
    lines("Opt-outs", "People who want no more messages within an hour, by how they said it.", "short",
          Query(increase("wabus_tracker_opt_outs_total", "how"), "{{how}}")),
    number("Sent twice", "Messages that Meta knows under two ids, in 24 hours. Alert: DuplicateSends.", "short",
           "sum(increase(wabus_tracker_duplicate_sends_total[24h]))", limit=1, width=8),
])  # fmt: skip

_OUT = Row("Out to customers", [
    lines("Events", "Events that some endpoint wanted, by type.", "cps",
          Query(per_second("wabus_notifier_events_total", "type"), "{{type}}"), stacked=True),
    lines("Attempts", "POSTs to customers' servers: delivered, or why not.", "cps",
          Query(per_second("wabus_notifier_attempts_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Ended", "Deliveries that came to an end, by how.", "cps",
          Query(per_second("wabus_notifier_deliveries_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Age when delivered", "From an event to the customer's 2xx; retries take days.", "s",
          *quantiles("wabus_notifier_delivery_age_seconds")),
    lines("Waiting", "Deliveries that are still to be made, counted up to 100,000.", "short",
          Query("max(wabus_notifier_waiting_deliveries)", "waiting")),
    lines("Overdue", "For how long the delivery that is most overdue is due. Alert: CustomerWebhooksOverdue.", "s",
          Query("max(wabus_notifier_overdue_seconds)", "overdue"), limit=600),
    lines("Endpoints in trouble", "Endpoints that are disabled now, and times that a failing one was left in peace"
          " within an hour.", "short",
          Query("max(wabus_notifier_disabled_endpoints)", "disabled"),
          Query(increase("wabus_notifier_circuit_opened_total"), "left in peace")),
    lines("Disabled by us", "Endpoints that were disabled within an hour, by reason.", "short",
          Query(increase("wabus_notifier_endpoints_disabled_total", "reason"), "{{reason}}")),
    lines("Passed by", "Wanted events that were sent to nobody, by reason, and deliveries that were stored.", "cps",
          Query(per_second("wabus_notifier_skipped_total", "reason"), "{{reason}}"),
          Query(per_second("wabus_notifier_queued_total"), "stored")),
])  # fmt: skip

BOARD = Board(
    "wabus-webhooks", "Wabus: webhooks", "Webhooks in from Meta and out to customers: how many, how old, what fails.",
    [_DOOR, _TRACKER, _OUT],
)  # fmt: skip
