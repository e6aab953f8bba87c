"""Every question of every dashboard and rule has an answer from a real Prometheus after a busy and bad day."""

import pytest

from deploy.local.services import present_services
from tests.dashboards.prometheus import Prometheus
from tests.support.asking import Asked, asked_by_panels, asked_by_rules, boards

WINDOW = "4m"  # of rates in panels: the whole day of the test

# What went wrong on that day has to be seen, not only to be asked for.
SEEN = (
    "wabus:accept_failures:ratio5m", "max_over_time(wabus:unknown_messages:max[4m])", "wabus:sends_refused:ratio15m",
    "max(wabus:number_throttled:ratio10m)", "wabus:webhooks_unsigned:ratio15m",
    "sum(increase(wabus_dead_letters_total[4m]))", 'max(wabus_edge_accounts{reason="token_invalid"})',
    'max(wabus_edge_accounts{reason="account_banned"})', 'max(wabus_edge_numbers{quality="red"})',
    'max(wabus_edge_numbers{status="stopped"})', 'sum(increase(wabus_analytics_cost_total[4m]))',
    'sum(increase(wabus_campaigns_paused_total[4m]))', 'sum(increase(wabus_edge_refused_total[4m]))',
    'wabus:disk_free:ratio{server="mongodb"}', 'wabus:disk_free:ratio{server="kafka-1"}',
    'sum(increase(wabus_sender_number_outcomes_total{outcome="unknown"}[4m]))',
)  # fmt: skip


@pytest.mark.parametrize("asked", list(asked_by_panels(WINDOW)), ids=lambda asked: asked.where)
def test_every_query_of_every_panel_returns_data(prometheus: Prometheus, asked: Asked) -> None:
    assert prometheus.ask(asked.expr), asked.expr


@pytest.mark.parametrize("asked", list(asked_by_rules()), ids=lambda asked: asked.where)
def test_every_recording_returns_data_and_what_every_alert_looks_at_is_there(
    prometheus: Prometheus, asked: Asked
) -> None:
    assert prometheus.ask(asked.expr), asked.expr


@pytest.mark.parametrize("expr", SEEN)
def test_what_went_wrong_is_seen(prometheus: Prometheus, expr: str) -> None:
    assert max(prometheus.ask(expr)) > 0


def test_every_choice_of_every_board_has_values(prometheus: Prometheus) -> None:
    for name, board in boards().items():
        for variable in board["templating"]["list"]:
            series, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            expr = f"count by ({label}) ({series.replace('$service', '.*')})"
            assert prometheus.ask(expr), f"{name}: {expr}"


def test_every_rule_was_evaluated_without_an_error(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"} == set()


def test_every_process_is_scraped(prometheus: Prometheus) -> None:
    targets = prometheus.get("targets")["activeTargets"]
    assert {target["labels"]["service"] for target in targets} == {service.name for service in present_services()}
    assert {target["health"] for target in targets} == {"up"}
