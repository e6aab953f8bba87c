"""Dashboards are whole, and ask for nothing that the code does not tell."""

from pathlib import Path

import pytest
import yaml

from deploy.grafana.printing import BOARDS, differing, print_all
from tests.support.asking import DEPLOY, boards, panels
from tests.support.metric_names import LEGEND, known_labels, left_by, metrics, recorded, selectors

PROVISIONING = DEPLOY / "grafana" / "provisioning"
TYPES = {"timeseries", "stat"}  # `graph`, `singlestat` and other panels of Grafana's past are gone from it
UNITS = {"short", "s", "d", "bytes", "Bps", "cps", "reqps", "percentunit"}
NAMES = sorted(boards())


def test_the_files_are_what_the_descriptions_print() -> None:
    assert differing() == [], "run python -m deploy.grafana"


def test_a_file_that_is_missing_changed_or_of_no_board_is_found_and_printed_anew(tmp_path: Path) -> None:
    print_all(tmp_path)
    assert differing(tmp_path) == []
    (tmp_path / "wabus-costs.json").unlink()
    (tmp_path / "wabus-sender.json").write_text("{}")
    (tmp_path / "of-nobody.json").write_text("{}")
    assert differing(tmp_path) == ["of-nobody.json", "wabus-costs.json", "wabus-sender.json"]
    print_all(tmp_path)
    assert differing(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == len(BOARDS)


def test_the_panels_ask_the_data_source_that_is_provisioned() -> None:
    [source] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    asked = {
        (part["datasource"]["type"], part["datasource"]["uid"])
        for board in boards().values()
        for panel in panels(board)
        for part in [panel, *panel["targets"], *board["templating"]["list"]]
    }
    assert asked == {(source["type"], source["uid"])}


def test_grafana_is_told_where_the_boards_are() -> None:
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "wabus.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


def test_boards_have_addresses_and_titles_of_their_own() -> None:
    found = boards()
    assert {board["uid"] for board in found.values()} == set(found)
    assert len({board["title"] for board in found.values()}) == len(found) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_in_which_unit_and_by_which_legend(name: str) -> None:
    board = boards()[name]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert panel["type"] in TYPES, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert all(target["legendFormat"] and target["expr"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_lies_on_another_or_beyond_the_edge(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in boards()[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_every_query_asks_for_metrics_and_labels_that_exist(name: str) -> None:
    for panel in panels(boards()[name]):
        for target in panel["targets"]:
            for selector in selectors(target["expr"]):
                assert selector.labels <= known_labels(selector.metric), (panel["title"], selector)


@pytest.mark.parametrize("name", NAMES)
def test_a_legend_names_only_labels_that_its_query_leaves(name: str) -> None:
    for panel in panels(boards()[name]):
        for target in panel["targets"]:
            named = set(LEGEND.findall(target["legendFormat"]))
            assert named <= left_by(target["expr"]), (panel["title"], target["legendFormat"])


def test_every_metric_is_looked_at_somewhere() -> None:
    exprs = [target["expr"] for board in boards().values() for panel in panels(board) for target in panel["targets"]]
    asked = {selector.metric for expr in exprs for selector in selectors(expr)}
    asked |= {selector.metric for name in asked & set(recorded()) for selector in selectors(recorded()[name])}
    told = {name for name in metrics() if not name.startswith("wabus_sandbox_")}  # a simulator pages nobody
    assert {name for name in told if not any(it.startswith(name) for it in asked)} == set()
