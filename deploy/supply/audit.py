"""`make audit`: are there known vulnerabilities in what the lock file names?

`python -m deploy.supply.audit [--osv-url URL] [LOCK]` asks OSV through pip-audit. A vulnerability that is known makes
the exit code 1; a service that cannot be reached is told in one line and is no failure: the same check passes on a
machine without a network. PyPI's own service is not used: where it does not answer, pip-audit skips the package and
does not fail.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from deploy.local.services import ROOT

OSV = "https://api.osv.dev/v1/query"
KNOCK = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "26.0"}  # any question that it can answer
REACHED_WITHIN = 10.0  # seconds
# How pip-audit says that the service broke off.
AWAY = ("requests.exceptions", "urllib3.exceptions", "ServiceError", "ConnectionError")


def main() -> int:
    """Ask, and say what came of it; -> the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.audit")
    parser.add_argument("lock", nargs="?", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--osv-url", default=OSV)
    asked = parser.parse_args()
    if (why := _away(asked.osv_url)) is not None:
        return _unchecked(asked.osv_url, why)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = _command(asked.lock, asked.osv_url, report)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
        if report.exists():
            return _told(json.loads(report.read_text())["dependencies"])
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it says nothing")
    if any(word in done.stderr for word in AWAY):
        return _unchecked(asked.osv_url, last)
    sys.stderr.write(f"audit: pip-audit could not read {asked.lock}: {last}\n")
    return 1


def _command(lock: Path, url: str, report: Path) -> list[str]:
    return [
        str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(lock), "--require-hashes",
        "--disable-pip", "--vulnerability-service", "osv", "--osv-url", url, "--format", "json",
        "--output", str(report), "--progress-spinner", "off", "--cache-dir", str(report.parent / "cache"),
    ]  # fmt: skip


def _away(url: str) -> str | None:
    """Return why the service does not answer, None where it does."""
    try:
        answer = httpx.post(url, json=KNOCK, timeout=REACHED_WITHIN)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None if answer.status_code == 200 else f"HTTP {answer.status_code}"


def _unchecked(url: str, why: str) -> int:
    sys.stdout.write(f"audit: NOT CHECKED, {url} could not be reached ({why})\n")
    return 0


def _told(packages: list[dict[str, Any]]) -> int:
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    bad = [(package, each) for package in packages for each in package.get("vulns", ())]
    for package, each in bad:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        sys.stdout.write(f"audit: {package['name']} {package['version']}: {each['id']}, mended in {fixed}\n")
    left = f", not looked up: {', '.join(skipped)}" if skipped else ""
    looked_up = len(packages) - len(skipped)
    sys.stdout.write(f"audit: {looked_up} packages looked up, {len(bad)} known vulnerabilities{left}\n")
    return 1 if bad or skipped else 0


if __name__ == "__main__":
    sys.exit(main())
