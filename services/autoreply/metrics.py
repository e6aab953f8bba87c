"""The metrics of autoreply, each with its sentence."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

DECIDED = Counter("wabus_autoreply_decided_total", "Inbound messages of numbers with a bot, by outcome.", ["outcome"])
ANSWERED = Counter("wabus_autoreply_answers_total", "Messages that bots asked to be sent.", ["kind"])
DELAY = Histogram(
    "wabus_autoreply_delay_seconds", "From a person's message to its answer being asked for.", ["kind"],
    buckets=_SECONDS,
)  # fmt: skip
ASKED = Histogram(
    "wabus_autoreply_thinking_seconds", "Questions to models and to customers' programs.", ["kind", "result"],
    buckets=(*_SECONDS, 60),
)  # fmt: skip
TOKENS = Counter("wabus_autoreply_tokens_total", "Tokens that models took, by their own word.", ["direction"])
THINKING = Gauge("wabus_autoreply_thinking", "Conversations that somebody thinks about now.")
