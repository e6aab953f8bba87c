"""A service as a deployment runs it: secrets as files, and a private port beside the public one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_port
from tests.support.running import until

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Service:
    """A process of the sandbox, the one service that needs no servers."""

    process: subprocess.Popen[bytes]
    public: str
    private: str


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    public = free_port()
    private = free_port({public})
    outside = {name: value for name, value in os.environ.items() if not name.startswith("WABUS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.sandbox"],
        cwd=ROOT,
        env=outside | {
            "WABUS_HTTP_PORT": str(public), "WABUS_METRICS_PORT": str(private), "WABUS_APP_ID": "1",
            "WABUS_SECRETS_DIR": str(ROOT / "deploy/docker/sandbox-secrets"), "WABUS_SANDBOX_STATE": str(tmp_path),
            "WABUS_SANDBOX_WEBHOOK_URL": "http://127.0.0.1:1/",
        },
    )  # fmt: skip
    yield Service(process, f"http://127.0.0.1:{public}", f"http://127.0.0.1:{private}")
    process.kill()
    process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_private_port_answers_operators_alone_and_both_stop_in_order(service: Service) -> None:
    until(lambda: answers(service.public + "/readyz"))
    assert answers(service.private + "/readyz")
    assert answers(service.private + "/healthz")
    assert "python_info" in httpx.get(service.private + "/metrics", trust_env=False).text
    assert "error" in httpx.get(service.public + "/v25.0/me", trust_env=False).json()  # the simulated Meta answers
    assert httpx.get(service.private + "/v25.0/me", trust_env=False).text == "Not Found"
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=30) == 0
