"""Alerts are whole: each tells how bad it is and what to do, is tested, and asks for nothing that the code lacks."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.services import present_services
from tests.support.asking import DEPLOY, looked_at, rules
from tests.support.kustomization import rendered
from tests.support.metric_names import known_labels, recorded, selectors

PROMETHEUS = DEPLOY / "prometheus"
RUNBOOKS = DEPLOY / "runbooks"
ALERTS = {rule["alert"]: rule for rule in rules("alert")}
RULES = [*rules("record"), *ALERTS.values()]
HEADINGS = ["What it means", "What to look at", "What to do", "When it is over"]
FIRING = re.compile(r"ALERTS\{([^}]*)\}")


@cache
def firing() -> dict[str, list[dict[str, str]]]:
    """Return, of each alert that promtool's tests see firing, the labels that it had."""
    found: dict[str, list[dict[str, str]]] = {}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for question in test["promql_expr_test"]:
                for sample in question["exp_samples"]:
                    if match := FIRING.match(sample["labels"]):
                        labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
                        found.setdefault(labels["alertname"], []).append(labels)
    return found


def silent() -> set[str]:
    """Return the names of alerts that promtool's tests see silent."""
    text = "".join(path.read_text() for path in (PROMETHEUS / "tests").glob("*.yml"))
    patterns = re.findall(r'alertname=~?"([^"]+)"[^}]*\}\'[^\n]*exp_samples: \[\]', text)
    return {name for name in ALERTS for pattern in patterns if re.fullmatch(pattern, name)}


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_how_bad_it_is_what_is_wrong_and_where_the_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["description"].endswith(".")
    path = DEPLOY.parent / rule["annotations"]["runbook_url"]
    assert path.parent == RUNBOOKS
    text = path.read_text()
    assert rule["alert"] in text.splitlines()[0], "the first line of a runbook names its alerts"
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_an_alert_waits_for_a_reason(rule: dict[str, Any]) -> None:
    text = (PROMETHEUS / "rules" / "alerts.yml").read_text()
    [part] = re.findall(rf"- alert: {rule['alert']}\n.*?for: (\w+)(.*?)\n", text, re.DOTALL)
    assert part[1].strip().startswith("# "), "a comment behind `for` says why it is as long"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_to_fire_and_to_be_silent(name: str) -> None:
    assert name in firing()
    assert name in silent()


@pytest.mark.parametrize("name", ALERTS)
def test_what_an_alert_says_uses_only_labels_that_it_has(name: str) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", str(ALERTS[name]["annotations"])))
    for labels in firing()[name]:
        assert used <= set(labels)


def test_every_runbook_belongs_to_an_alert_and_is_listed() -> None:
    linked = {DEPLOY.parent / rule["annotations"]["runbook_url"] for rule in ALERTS.values()}
    index = (RUNBOOKS / "README.md").read_text()
    assert {path for path in RUNBOOKS.glob("*.md") if path.name != "README.md"} == linked
    assert {path.name for path in linked if f"({path.name})" not in index} == set()


def test_dashboards_and_runbooks_name_only_alerts_that_exist() -> None:
    told = "".join(path.read_text() for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"))
    named = {name.strip() for names in re.findall(r"Alerts?: ([A-Za-z, ]+)\.", told) for name in names.split(",")}
    assert named <= set(ALERTS)
    assert set(ALERTS) - named == set(), "every alert is named by the panel that shows what it looks at"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    for selector in selectors(rule["expr"]):
        assert selector.labels <= known_labels(selector.metric), selector


def test_every_recording_is_asked_for() -> None:
    told = "".join(path.read_text() for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"))
    told += "".join(rule["expr"] for rule in RULES)
    assert {name for name in recorded() if name not in told} == set()


def test_prometheus_scrapes_every_service_under_its_name() -> None:
    [scraped] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    [found], [labelled] = scraped["dns_sd_configs"], scraped["relabel_configs"]
    assert scraped["job_name"] == "wabus"
    assert sorted(found["names"]) == sorted(service.name for service in present_services())
    assert (labelled["source_labels"], labelled["target_label"]) == (["__meta_dns_name"], "service")


def test_every_service_but_the_sandbox_is_missed_when_it_is_gone() -> None:
    missed = set(re.findall(r'absent\(up\{job="wabus", service="(\w+)"\}\)', ALERTS["ServiceDown"]["expr"]))
    assert missed == {service.name for service in present_services()} - {"sandbox"}


@pytest.mark.parametrize(
    ("expr", "parts"),
    [
        ("a > 0.05 and b >= 3", ["a > bool 0.05 and b >= bool 3"]),
        ("(a > 1 unless b > 0)", ["a > bool 1 and b > bool 0"]),
        ('up{x="a or b"} == 0 or absent(up{y!="z"})', ['up{x="a or b"} == bool 0', '(up{y!="z"})']),
        ("a >= a offset 3m", ["a >= bool a"]),
        ("(a or b) / c < -1e3", ["(a or b) / c < bool -1e3"]),
    ],
)
def test_what_an_alert_looks_at_is_its_expression_without_comparisons(expr: str, parts: list[str]) -> None:
    assert looked_at(expr) == parts


def test_the_rules_for_kubernetes_are_all_of_them() -> None:
    [made] = rendered(PROMETHEUS)
    assert {Path(name).name for name in made["data"]} == {path.name for path in (PROMETHEUS / "rules").iterdir()}


def test_the_example_for_alertmanager_names_alerts_that_exist_and_severities_that_they_have() -> None:
    text = (PROMETHEUS / "alertmanager.yml").read_text()
    assert set(re.findall(r'alertname="(\w+)"', text)) <= set(ALERTS)
    assert set(re.findall(r'severity="(\w+)"', text)) <= {rule["labels"]["severity"] for rule in ALERTS.values()}
