"""Which metrics the code has, with their labels, and which of them an expression asks for."""

import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from tests.support.asking import rules

ROOT = Path(__file__).parents[2]
MODULES = ("libs.web.door", "libs.observability.loop", "libs.observability.certificates")  # beside every metrics.py
OF_A_TARGET = frozenset({"job", "instance", "service"})  # what scraping adds to every series
OF_CLIENT = {  # what prometheus_client and Prometheus tell by themselves
    "up": set(), "process_cpu_seconds_total": set(), "process_resident_memory_bytes": set(),
    "process_open_fds": set(), "process_max_fds": set(), "process_start_time_seconds": set(),
    "python_gc_collections_total": {"generation"},
}  # fmt: skip
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
SELECTOR = re.compile(r"\b(?:wabus[_:]|process_|python_|up\b)[\w:]*(?:\{[^}]*\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
LEGEND = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric that is asked for, with the labels that are matched."""

    metric: str
    labels: frozenset[str]


@cache
def metrics() -> dict[str, tuple[str, set[str]]]:
    """Return what our own code tells: name without ending -> (type, labels)."""
    found = {}
    for module in _modules():
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, MetricWrapperBase):
                [family] = value.describe()
                found[family.name] = (family.type, set(value._labelnames))
    return found


def _modules() -> list[str]:
    paths = [*ROOT.glob("services/*/metrics.py"), *ROOT.glob("libs/*/metrics.py")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths] + list(MODULES)


@cache
def recorded() -> dict[str, str]:
    """Return the expressions of the recording rules by name."""
    return {rule["record"]: rule["expr"] for rule in rules("record")}


def selectors(expr: str) -> list[Selector]:
    """Return what an expression asks for."""
    found = []
    for match in SELECTOR.finditer(expr):
        name, _, inside = match[0].partition("{")
        found.append(Selector(name, frozenset(MATCHER.findall(inside))))
    return found


def known_labels(name: str) -> set[str]:
    """Return the labels that a metric or recording has; raises KeyError for one that does not exist."""
    if name in recorded():
        return left_by(recorded()[name])
    if name in OF_CLIENT:
        return OF_CLIENT[name] | OF_A_TARGET
    stem, ending = _taken_apart(name)
    return metrics()[stem][1] | OF_A_TARGET | ({"le"} if ending == "_bucket" else set())


def left_by(expr: str) -> set[str]:
    """Return the labels of an expression's result: those it groups by, else those of what it asks for."""
    if groups := GROUPED.findall(expr):
        return {label.strip() for group in groups for label in group.split(",")} - {"le"}
    if re.search(r"\b(sum|max|min|count|avg) ?\(", expr):
        return set()
    return set.union(*(known_labels(selector.metric) for selector in selectors(expr)))


def _taken_apart(name: str) -> tuple[str, str]:
    for kind, endings in ENDINGS.items():
        for ending in endings:
            stem = name.removesuffix(ending) if ending else name
            if name.endswith(ending) and metrics().get(stem, ("",))[0] == kind:
                return stem, ending
    raise KeyError(f"no code tells {name}")
