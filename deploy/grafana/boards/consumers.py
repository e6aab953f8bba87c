"""Who reads which topic, how far behind, and what could not be read."""

from deploy.grafana.asking import increase, lines, number, per_second
from deploy.grafana.panels import Board, Query, Row, Variable

_GROUPS = 'group=~"$group"'
_LEGEND = "{{group}}: {{topic}}"

_PACE = Row("Consumers ($group)", [
    lines("Lag", "Records that are not finished, summed over the owners of the partitions.", "short",
          Query(f"wabus:consumer_lag:records{{{_GROUPS}}}", _LEGEND)),
    lines("Time behind", "What waits, divided by the pace of the last five minutes. Alert: ConsumerLag.", "s",
          Query(f"wabus:consumer_behind:seconds{{{_GROUPS}}}", _LEGEND), limit=120),
    lines("Finished", "Records finished and committed.", "cps",
          Query(per_second("wabus_consumer_finished_total", "group", "topic", where=_GROUPS), _LEGEND)),
    lines("Partitions", "Partitions with an owner; 0 means that nobody reads the topic. Alert: ConsumerGone.", "short",
          Query(f"wabus:consumer_partitions:sum{{{_GROUPS}}}", _LEGEND)),
    lines("Owned by each process", "How the partitions are shared among the processes of a service.", "short",
          Query(f"sum by (service, instance) (wabus_consumer_partitions{{{_GROUPS}}})", "{{service}} {{instance}}")),
    lines("Halted", "1 where a consumer stopped itself: too many dead letters. Alert: ConsumerHalted.", "short",
          Query(f"max by (group, topic) (wabus_consumer_halted{{{_GROUPS}}})", _LEGEND), limit=1),
])  # fmt: skip

_BURIED = Row("Dead letters ($group)", [
    number("Within an hour", "Records that were buried by these groups within an hour. Alert: DeadLetters.", "short",
           f"sum(increase(wabus_dead_letters_total{{{_GROUPS}}}[1h]))", limit=1, width=12),
    number("Within 24 hours", "Records that were buried by these groups within 24 hours.", "short",
           f"sum(increase(wabus_dead_letters_total{{{_GROUPS}}}[24h]))", limit=1, width=12),
    lines("By reason", "Records buried within an hour: unreadable, of an unknown type, refused, or our own bug.",
          "short", Query(increase("wabus_dead_letters_total", "reason", where=_GROUPS), "{{reason}}")),
    lines("By topic", "Records buried within an hour, by topic and the group that gave them up.", "short",
          Query(increase("wabus_dead_letters_total", "group", "topic", where=_GROUPS), _LEGEND)),
    lines("Settled", "Dead letters that were put back or discarded within an hour.", "short",
          Query(increase("wabus_edge_dead_letters_settled_total", "state"), "{{state}}")),
])  # fmt: skip

_LOST = Row("Wake-ups", [
    lines("Left to the sweeper", "Wake-ups that Kafka did not take when edge wrote them.", "cps",
          Query(per_second("wabus_edge_wake_ups_dropped_total"), "dropped")),
    lines("Found by the sweeper", "Messages that no wake-up brought to the sender. Alert: SweeperRepublishing.", "cps",
          Query(per_second("wabus_sender_swept_total", where='action="missed"'), "missed")),
    lines("Commands refused", "Messages that internal producers asked for and edge refused, within an hour, by code.",
          "short", Query(increase("wabus_edge_refused_total", "code"), "{{code}}")),
])  # fmt: skip

BOARD = Board(
    "wabus-consumers", "Wabus: consumers and dead letters", "Who reads which topic, how far behind, what was given up.",
    [_PACE, _BURIED, _LOST],
    [Variable("group", "Group", "label_values(wabus_consumer_partitions, group)")],
)  # fmt: skip
