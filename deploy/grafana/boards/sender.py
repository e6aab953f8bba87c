"""What goes out: the sender as a whole, then each number by itself."""

from deploy.grafana.asking import increase, lines, number, per_second, quantile, quantiles
from deploy.grafana.panels import Board, Query, Row, Variable

_THESE = 'phone_number_id=~"$number"'
_OUTCOMES = "wabus_sender_number_outcomes_total"

_ALL = Row("All numbers", [
    number("Circuit", "1 while the Graph API does not answer a sender. Alert: GraphNotAnswering.", "short",
           "max(wabus_sender_circuit_open)", limit=1),
    number("Unknown outcomes", "Messages whose outcome is being looked for. Alert: UnknownGrowing.", "short",
           "wabus:unknown_messages:max", limit=20),
    number("Sent once more", "Messages of unknown outcome that Meta certainly had not taken, in 24 hours.", "short",
           "sum(increase(wabus_sender_resent_total[24h]))"),
    number("Left to a person", "Messages that stay unknown, in 24 hours. Alert: UnknownKept.", "short",
           "sum(increase(wabus_sender_kept_unknown_total[24h]))", limit=1),
    number("Found by the sweeper", "Share of messages that no wake-up brought. Alert: SweeperRepublishing.",
           "percentunit", "wabus:sweeper_missed:ratio15m", limit=0.02),
    number("Refused by Meta", "Share of attempts that were wrong, or that met trouble of Meta's. Alert: SendsFail.",
           "percentunit", "wabus:sends_refused:ratio15m", limit=0.2),
    lines("Attempts", "POSTs to the Graph API by what is known of them afterwards.", "cps",
          Query(per_second("wabus_sender_attempts_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Refusals by class", "What Graph refused, by what has to be done about it.", "cps",
          Query(per_second("wabus_sender_refusals_total", "policy"), "{{policy}}"), stacked=True),
    lines("Settled", "Messages by the state in which an attempt, or a refusal before it, left them.", "cps",
          Query(per_second("wabus_sender_settled_total", "status"), "{{status}}"), stacked=True),
    lines("Time of a POST", "From the first byte to Meta's answer.", "s", *quantiles("wabus_sender_post_seconds")),
    lines("Wait for a slot", "How long messages wait for their number's turn, 95th percentile, by lane.", "s",
          Query(quantile(0.95, "wabus_sender_bucket_wait_seconds", "lane"), "{{lane}}")),
    lines("Wait at the gate", "How long claimed messages wait once more, where many come late at once.", "s",
          *quantiles("wabus_sender_gate_wait_seconds")),
    lines("Put off", "Messages that were stored for later, by reason: stopped, pair, number, portfolio limit.", "cps",
          Query(per_second("wabus_sender_deferred_total", "reason"), "{{reason}}")),
    lines("Sweeper", "Due records by what was done: `missed` ones should have been woken before.", "cps",
          Query(per_second("wabus_sender_swept_total", "action"), "{{action}}")),
    lines("Claims lost", "Claims that another sender had, or that grew too old before the POST.", "cps",
          Query(per_second("wabus_sender_claims_lost_total"), "claims lost")),
])  # fmt: skip

_EACH = Row("Each number ($number)", [
    lines("Pace now", "Messages a second that the number may send: Meta's rate, halved by each throttle, recovering.",
          "cps", Query(f"max by (phone_number_id) (wabus_sender_number_rate{{{_THESE}}})", "{{phone_number_id}}")),
    lines("Meta's rate", "Messages a second that Meta reports for the number (its throughput).", "cps",
          Query(f"max by (phone_number_id) (wabus_sender_number_throughput{{{_THESE}}})", "{{phone_number_id}}")),
    lines("Waiting in the bucket", "Messages that wait for a slot of the number, replies and campaigns.", "short",
          Query(f"sum by (phone_number_id, lane) (wabus_sender_number_waiting_messages{{{_THESE}}})",
                "{{phone_number_id}} {{lane}}")),
    lines("Accepted", "Messages that Meta took.", "cps",
          Query(per_second(_OUTCOMES, "phone_number_id", where=f'outcome="accepted", {_THESE}'),
                "{{phone_number_id}}")),
    lines("Throttled", "Share of the attempts that Meta refused as too fast. Alert: NumberThrottled.", "percentunit",
          Query(f"wabus:number_throttled:ratio10m{{{_THESE}}}", "{{phone_number_id}}"), limit=0.1),
    lines("Unknown", "Attempts without an answer, within an hour.", "short",
          Query(increase(_OUTCOMES, "phone_number_id", where=f'outcome="unknown", {_THESE}'), "{{phone_number_id}}")),
    lines("Errors by class", "Refusals of the number's attempts by what has to be done about them.", "cps",
          Query(per_second(_OUTCOMES, "phone_number_id", "outcome",
                           where=f'outcome!~"accepted|unknown|not_connected", {_THESE}'),
                "{{phone_number_id}} {{outcome}}"), width=24),
])  # fmt: skip

BOARD = Board(
    "wabus-sender", "Wabus: sender", "What goes out to Meta, how fast, and what comes of it, for each number.",
    [_ALL, _EACH],
    [Variable("number", "Number", "label_values(wabus_sender_number_outcomes_total, phone_number_id)")],
)  # fmt: skip
