"""What dashboards and rules ask of Prometheus: every expression, with where it stands."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
RULES = DEPLOY / "prometheus" / "rules"

NUMBER = r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?"
COMPARED = re.compile(rf"(==|!=|>=|<=|>|<)(?=\s*(?:{NUMBER}|[a-z(]))")


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression, named by where it stands."""

    where: str
    expr: str


@cache
def boards() -> dict[str, dict[str, Any]]:
    """Return the dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a board's panels without the headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@cache
def rules(kind: str) -> list[dict[str, Any]]:
    """Return all rules that have this key: `record` or `alert`."""
    groups = [group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def asked_by_panels(window: str) -> Iterator[Asked]:
    """Return every query of every panel, with all values of the variables chosen and rates over this window."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", window)
                for variable in board["templating"]["list"]:
                    expr = expr.replace("$" + variable["name"], variable["allValue"])
                yield Asked(f"{name}: {panel['title']} ({target['refId']})", expr)


def asked_by_rules() -> Iterator[Asked]:
    """Return every expression of a recording rule, and what each alert looks at."""
    for rule in rules("record"):
        yield Asked(rule["record"], rule["expr"])
    for rule in rules("alert"):
        for place, part in enumerate(looked_at(rule["expr"])):
            yield Asked(f"{rule['alert']} ({place + 1})", part)


def looked_at(expr: str) -> list[str]:
    """Return what an alert's expression looks at: its alternatives, each without what makes it silent on a good day.

    A silent alert returns nothing, and so does one that asks for a metric that does not exist. Here every comparison
    becomes one that always holds (`<= bool`, which keeps the series and gives 1 or 0), what must be missing (`unless`,
    `absent`) must be there, and a look at the past is one at the present. What is left returns data exactly if both
    sides of each comparison and each `and` do, and their labels fit together.
    """
    always = COMPARED.sub(r"\1 bool", " ".join(expr.split()))
    always = re.sub(r"\bunless\b", "and", always)
    always = re.sub(r"\babsent\(", "(", always)
    always = re.sub(r" offset \w+", "", always)
    return _alternatives(_stripped(always))


def _stripped(expr: str) -> str:
    """Return the expression without parentheses around all of it."""
    while expr.startswith("(") and _closing(expr) == len(expr) - 1:
        expr = expr[1:-1].strip()
    return expr


def _closing(expr: str) -> int:
    depth = 0
    for place, character in enumerate(expr):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place
    return -1


def _alternatives(expr: str) -> list[str]:
    """Split at each `or` that is not within parentheses or braces."""
    parts, depth, begin = [], 0, 0
    for found in re.finditer(r"[(){}]| or ", expr):
        if found[0] != " or ":
            depth += 1 if found[0] in "({" else -1
        elif depth == 0:
            parts.append(expr[begin : found.start()].strip())
            begin = found.end()
    return [*parts, expr[begin:].strip()]
