"""What a dashboard is made of, and its form in Grafana's JSON: boards of rows of panels of queries.

The JSON of one panel is forty lines of which five are about the panel; those five are what `boards/` writes down.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

DATA_SOURCE = {"type": "prometheus", "uid": "wabus-prometheus"}  # as provisioning/datasources names it
SCHEMA_VERSION = 39  # of Grafana 11's dashboards; later ones read it
GRID = 24  # Grafana's columns
TAG = "wabus"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression with the legend of its series."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` is Grafana's; `limit` is drawn in red, where an alert begins or a server ends."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    limit: float | None = None
    stacked: bool = False

    def json(self, number: int, x: int, y: int) -> Json:
        """Return it with its id and place."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATA_SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _STAT_OPTIONS if self.kind == "stat" else _SERIES_OPTIONS,
            "targets": [
                {
                    "refId": chr(ord("A") + place),
                    "datasource": DATA_SOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend,
                    "range": True,
                }
                for place, query in enumerate(self.queries)
            ],
        }

    def _defaults(self) -> Json:
        steps: list[Json] = [{"color": "green", "value": None}]
        if self.limit is not None:
            steps.append({"color": "red", "value": self.limit})
        defaults: Json = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            defaults["custom"] = {
                "lineWidth": 1,
                "fillOpacity": 20 if self.stacked else 5,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "off" if self.limit is None else "line"},
            }
        return defaults


_SERIES_OPTIONS = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_STAT_OPTIONS = {
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "colorMode": "value",
    "graphMode": "area",
    "textMode": "auto",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a board: the values of a label, all of them at first."""

    name: str
    label: str
    values: str

    def json(self) -> Json:
        """Return it in Grafana's form."""
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": DATA_SOURCE,
            "query": {"query": self.values, "refId": "values"},
            "definition": self.values,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; its uid is part of its address and names its file."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())

    def json(self) -> Json:
        """Return the whole dashboard."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "30s",
            "graphTooltip": 1,
            "links": [
                {
                    "title": "Wabus",
                    "type": "dashboards",
                    "tags": [TAG],
                    "asDropdown": True,
                    "keepTime": True,
                    "icon": "",
                }
            ],
            "templating": {"list": [variable.json() for variable in self.variables]},
            "annotations": {"list": []},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Iterator[Json]:
        """Place panels from left to right, a new line where a row is full."""
        number, y = 1, 0
        for row in self.rows:
            place = {"x": 0, "y": y, "w": GRID, "h": 1}
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
            number, y, x, tallest = number + 1, y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > GRID:
                    x, y, tallest = 0, y + tallest, 0
                yield panel.json(number, x, y)
                number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
            y += tallest
