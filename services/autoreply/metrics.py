"""The metrics of autoreply, each with its sentence."""

from prometheus_client import Counter, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

DECIDED = Counter("wabus_autoreply_decided_total", "Inbound messages of numbers with a bot, by outcome.", ["outcome"])
ANSWERED = Counter("wabus_autoreply_answers_total", "Messages that bots asked to be sent.", ["kind"])
DELAY = Histogram(
    "wabus_autoreply_delay_seconds", "From a person's message to its answer being asked for.", buckets=_SECONDS
)
