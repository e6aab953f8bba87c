"""The few forms of question that most panels ask of Prometheus."""

from collections.abc import Sequence

from deploy.grafana.panels import Panel, Query

WINDOW = "$__rate_interval"  # Grafana's own: four scrapes or more, however far the board is zoomed out


def per_second(metric: str, *by: str, where: str = "") -> str:
    """Ask for the rate of a counter, summed over processes."""
    return f"{_sum(by)} (rate({metric}{_braces(where)}[{WINDOW}]))"


def increase(metric: str, *by: str, where: str = "", over: str = "1h") -> str:
    """Ask for how much a counter grew within a time."""
    return f"{_sum(by)} (increase({metric}{_braces(where)}[{over}]))"


def quantile(share: float, metric: str, *by: str, where: str = "") -> str:
    """Ask for a quantile of a histogram's seconds."""
    return f"histogram_quantile({share:g}, {_sum(('le', *by))} (rate({metric}_bucket{_braces(where)}[{WINDOW}])))"


def quantiles(metric: str, where: str = "") -> list[Query]:
    """Ask for the median, the 95th and the 99th percentile."""
    return [Query(quantile(share, metric, where=where), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)]


def number(title: str, description: str, unit: str, expr: str, limit: float | None = None, width: int = 4) -> Panel:
    """Make a panel of one figure."""
    return Panel(title, description, unit, [Query(expr, title)], "stat", width, 4, limit)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limit: float | None = None,
    stacked: bool = False,
    width: int = 8,
) -> Panel:
    """Make a panel of lines over time."""
    return Panel(title, description, unit, queries, width=width, limit=limit, stacked=stacked)


def _sum(by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"


def _braces(where: str) -> str:
    return f"{{{where}}}" if where else ""
