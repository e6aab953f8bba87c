"""The bill of materials names what the image installs; the audit fails for what is known, and says if it could not."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployments import ROOT

LOCK = "idna==3.10 --hash=sha256:" + "0" * 64 + "\nhttpx==0.28.1 --hash=sha256:" + "1" * 64 + "\n"
KNOWN = {
    "id": "PYSEC-0000-1", "summary": "Reads too much.", "aliases": [],
    "affected": [{
        "package": {"name": "idna", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.11"}]}],
    }],
}  # fmt: skip


class Osv:
    """A service of vulnerabilities: what it knows, and how many questions it answers."""

    def __init__(self) -> None:
        self.known: dict[str, list[dict[str, Any]]] = {}
        self.status = 200
        self.answers = 1_000
        self.asked: list[str] = []

    def answer(self, name: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(name)
        self.answers -= 1
        if self.answers < 0:
            return 503, {}
        return self.status, {"vulns": self.known[name]} if name in self.known else {}


@pytest.fixture
def osv() -> Osv:
    return Osv()


@pytest.fixture
def url(osv: Osv) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, said = osv.answer(asked["package"]["name"])
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join(5)


def audit(tmp_path: Path, url: str, lock: str = LOCK) -> tuple[int, list[str]]:
    file = tmp_path / "some.lock"
    file.write_text(lock)
    command = [sys.executable, "-m", "deploy.supply.audit", "--osv-url", url, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_what_nothing_is_known_of_passes_and_says_how_much_was_looked_up(tmp_path: Path, osv: Osv, url: str) -> None:
    assert audit(tmp_path, url) == (0, ["audit: 2 packages looked up, 0 known vulnerabilities"])
    assert {"idna", "httpx"} <= set(osv.asked)


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path, osv: Osv, url: str) -> None:
    osv.known["idna"] = [KNOWN]
    assert audit(tmp_path, url) == (
        1, ["audit: idna 3.10: PYSEC-0000-1, mended in 3.11", "audit: 2 packages looked up, 1 known vulnerabilities"],
    )  # fmt: skip


@pytest.mark.parametrize("how", ["nobody listens", "refuses", "breaks off"])
def test_a_service_that_cannot_be_reached_is_told_in_one_line(tmp_path: Path, osv: Osv, url: str, how: str) -> None:
    osv.status, osv.answers = (403, 9) if how == "refuses" else (200, 1)
    code, [line] = audit(tmp_path, "http://127.0.0.1:9/" if how == "nobody listens" else url)
    assert code == 0
    assert line.startswith("audit: NOT CHECKED, http://127.0.0.1:")


def test_a_lock_that_cannot_be_read_fails(tmp_path: Path, url: str) -> None:
    code, [line] = audit(tmp_path, url, "idna>=3\n")
    assert code == 1
    assert "pip-audit could not read" in line


def test_the_bill_of_materials_names_every_package_of_the_image_with_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    for _ in range(2):
        command = [sys.executable, "-m", "deploy.supply.sbom", str(file)]
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    bill = json.loads(file.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "wabus")
    locked = re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / "deploy/docker/requirements.lock").read_text(), re.M)
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(locked)
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])
    assert all(each["purl"].startswith("pkg:pypi/") for each in bill["components"])
