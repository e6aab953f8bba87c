"""A real Prometheus with our rules, on a port of its own, that scrapes a running stack once a second."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.local.ports import free_port
from deploy.prometheus.local import config_for
from tests.support.running import Stack, until

EVERY = "1s"  # instead of 10: a minute of the test is ten of an operator's


class Prometheus:
    """A running one: what it knows, by its HTTP API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=20.0, trust_env=False)

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, expr: str) -> list[float]:
        """Return the values of an expression now, of all series; without those that are no number."""
        answer = self._http.get("/api/v1/query", params={"query": expr})
        assert answer.status_code == 200, f"{expr}: {answer.text[:500]}"
        values = [float(row["value"][1]) for row in answer.json()["data"]["result"]]
        return [value for value in values if value == value]

    def close(self) -> None:
        """Ask no more."""
        self._http.close()

    def get(self, path: str) -> Any:
        """Return the data of another call."""
        answer = self._http.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text[:500]
        return answer.json()["data"]


@contextmanager
def scraping(stack: Stack) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the stack."""
    with tempfile.TemporaryDirectory(prefix="wabus-prometheus-") as directory:
        folder, port = Path(directory), free_port(set())
        config = config_for(stack.info["metrics"]) | {
            "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY}
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    shutil.which("prometheus") or "",
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
        running = Prometheus(f"http://127.0.0.1:{port}")
        try:
            until(lambda: running.ready() or process.poll() is not None, "prometheus is ready", 20)
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield running
        finally:
            process.terminate()
            process.wait()
            running.close()
