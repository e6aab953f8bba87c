"""Who is answered by a bot, how fast, and what thinking takes."""

from deploy.grafana.asking import lines, number, per_second, quantile
from deploy.grafana.panels import Board, Query, Row

_ANSWERS = Row("Answers", [
    lines("Decided", "Messages of people to numbers with a bot, by what became of them.", "cps",
          Query(per_second("wabus_autoreply_decided_total", "outcome"), "{{outcome}}"), stacked=True),
    lines("Answers", "Messages that bots asked to be sent, by kind of bot.", "cps",
          Query(per_second("wabus_autoreply_answers_total", "kind"), "{{kind}}"), stacked=True),
    lines("Delay", "From a person's message to its answer being asked for, 95th percentile, by kind of bot.", "s",
          Query(quantile(0.95, "wabus_autoreply_delay_seconds", "kind"), "{{kind}}")),
])  # fmt: skip

_THINKING = Row("Thinking", [
    number("Thought about now", "Conversations that a model or a customer's program thinks about now.", "short",
           "sum(wabus_autoreply_thinking)", width=24),
    lines("Questions", "Questions to models and to customers' programs, by how they ended.", "cps",
          Query(per_second("wabus_autoreply_thinking_seconds_count", "kind", "result"), "{{kind}}: {{result}}"),
          stacked=True),
    lines("Time of a question", "95th percentile, by who was asked.", "s",
          Query(quantile(0.95, "wabus_autoreply_thinking_seconds", "kind"), "{{kind}}")),
    lines("Tokens", "Tokens that models took, by their own word.", "cps",
          Query(per_second("wabus_autoreply_tokens_total", "direction"), "{{direction}}")),
    lines("Shown to be writing", "Notices to people that an answer is on its way, by what became of them.", "cps",
          Query(per_second("wabus_edge_typing_notices_total", "outcome"), "{{outcome}}"), width=24),
])  # fmt: skip

BOARD = Board(
    "wabus-bots", "Wabus: bots", "Who is answered by a bot, how fast, and what thinking takes.", [_ANSWERS, _THINKING]
)  # fmt: skip
