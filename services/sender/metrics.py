"""The sender's metrics, each with its sentence.

Those with a `phone_number_id` exist for the numbers that this sender sends for: there are as many as are connected, and
an operator has to see which one Meta slows down. The gauges go when a number is handed to another sender.
"""

from prometheus_client import Counter, Gauge, Histogram

from libs.graph.errors import Policy

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

ATTEMPTS = Counter("wabus_sender_attempts_total", "POSTs to the Graph API by outcome.", ["outcome"])
POST_SECONDS = Histogram("wabus_sender_post_seconds", "Time of one POST to the Graph API.", buckets=_SECONDS)
ACCEPT_TO_WAMID = Histogram(
    "wabus_sender_accept_to_wamid_seconds", "From our 202 to Meta's wamid.", ["lane"], buckets=_SECONDS
)
BUCKET_WAIT = Histogram("wabus_sender_bucket_wait_seconds", "Wait for a number's slot.", ["lane"], buckets=_SECONDS)
GATE_WAIT = Histogram(
    "wabus_sender_gate_wait_seconds", "Wait of claimed messages until their number may send.", buckets=_SECONDS
)
SETTLED = Counter("wabus_sender_settled_total", "Messages settled, by status.", ["status"])
REFUSALS = Counter("wabus_sender_refusals_total", "Refusals of Graph's, by policy.", ["policy"])
DEFERRED = Counter("wabus_sender_deferred_total", "Messages put off, by reason.", ["reason"])
RESENT = Counter("wabus_sender_resent_total", "Messages of unknown outcome that were sent once more.")
KEPT_UNKNOWN = Counter("wabus_sender_kept_unknown_total", "Messages left unknown for a person to decide.", ["reason"])
SWEPT = Counter(
    "wabus_sender_swept_total",
    "Due records the sweeper dealt with: `woken` at their time, `missed` by every wake-up before, or how else.",
    ["action"],
)
UNKNOWN = Gauge("wabus_sender_unknown_messages", "Messages whose outcome is being looked for (one sender knows).")
CIRCUIT_OPEN = Gauge("wabus_sender_circuit_open", "1 while the Graph API does not answer.")
CLAIMS_LOST = Counter("wabus_sender_claims_lost_total", "Claims that somebody else had, or that grew too old.")
NUMBER_OUTCOMES = Counter(
    "wabus_sender_number_outcomes_total",
    "Attempts of a number: `accepted`, `unknown`, `not_connected`, or the policy of Graph's refusal.",
    ["phone_number_id", "outcome"],
)
NUMBER_OUTCOME_NAMES = ("accepted", "unknown", "not_connected", *(policy.value for policy in Policy))
NUMBER_RATE = Gauge(
    "wabus_sender_number_rate",
    "Messages per second that a number may send now: throttles lower it.",
    ["phone_number_id"],
)
NUMBER_THROUGHPUT = Gauge(
    "wabus_sender_number_throughput", "Messages per second that Meta reports for a number.", ["phone_number_id"]
)
NUMBER_WAITING = Gauge(
    "wabus_sender_number_waiting_messages", "Messages that wait for their number's slot.", ["phone_number_id", "lane"]
)

# A rate sees the first step only from a 0 that was there.
for _outcome in ("accepted", "refused", "unknown", "notconnected"):
    ATTEMPTS.labels(_outcome)
for _policy in Policy:
    REFUSALS.labels(_policy.value)
for _reason in ("one_time_code", "at_most_once", "no_webhooks"):
    KEPT_UNKNOWN.labels(_reason)
for _action in ("woken", "missed", "released", "told", "orphaned"):
    SWEPT.labels(_action)
