import json
from pathlib import Path

import yaml

from deploy.prometheus.local import printed


def test_a_local_stacks_processes_are_scraped_under_the_names_of_their_services(tmp_path: Path) -> None:
    metrics = {"edge": "http://127.0.0.1:20001/metrics", "sender": "http://127.0.0.1:20002/metrics",
               "sender-2": "http://127.0.0.1:20003/metrics"}  # fmt: skip
    (tmp_path / "stack.json").write_text(json.dumps({"metrics": metrics}))
    config = yaml.safe_load(printed(tmp_path))
    [scraped] = config["scrape_configs"]
    found = [(static["labels"]["service"], *static["targets"]) for static in scraped["static_configs"]]
    assert scraped["job_name"] == "wabus"
    assert found == [("edge", "127.0.0.1:20001"), ("sender", "127.0.0.1:20002"), ("sender", "127.0.0.1:20003")]
    [rules] = config["rule_files"]
    assert {path.name for path in Path(rules).parent.glob("*.yml")} == {"alerts.yml", "recordings.yml"}
