"""Our Prometheus configuration for a local stack: its own addresses instead of those of the containers."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

FOLDER = Path(__file__).parent


def config_for(metrics: dict[str, str]) -> dict[str, Any]:
    """Return prometheus.yml with these processes (name -> address of its /metrics) in it, and our rules by full paths.

    A second process of a service has the name `sender-2` and the label of its service.
    """
    config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    [scraped] = config["scrape_configs"]
    config["scrape_configs"] = [{
        "job_name": scraped["job_name"],
        "static_configs": [
            {"targets": [urlsplit(url).netloc], "labels": {"service": name.partition("-")[0]}}
            for name, url in metrics.items()
        ],
    }]  # fmt: skip
    return config


def printed(state: Path) -> str:
    """Return the configuration for the stack that runs in a state directory."""
    stack = json.loads((state / "stack.json").read_text())
    return yaml.safe_dump(config_for(stack["metrics"]), sort_keys=False)
