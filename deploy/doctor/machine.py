"""What this machine needs for the stack, checked one by one, each answer one sentence."""

import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from deploy.doctor.findings import Finding, Level
from deploy.local.disk import check_disk
from deploy.local.errors import StackRefused
from deploy.local.jars import KAFKA_VERSION, missing_jars
from deploy.local.kafka import java
from deploy.local.mongod import check_mongod_runs
from deploy.local.ports import free_port
from deploy.local.settings import LocalSettings
from libs.runtime.settings import read_settings

NEEDED_MEMORY = 1_500 * 2**20  # bytes: what the idle stack may take in all
NETWORK_WITHIN = 5.0  # seconds


def examine(state: Path) -> list[Finding]:
    """Run every check; a server of one's own makes the checks for the embedded one unnecessary."""
    settings = read_settings(LocalSettings)
    checks: dict[str, Callable[[], str]] = {"python": _python, "disk": lambda: check_disk(state), "memory": _memory}
    if settings.mongo_url is None:
        checks["mongod"] = check_mongod_runs
    if settings.kafka_bootstrap is None:
        checks["java"] = java
        checks["kafka"] = lambda: _kafka(settings.cache)
    checks["ports"] = lambda: f"port {free_port()} is free, and more"
    return [_finding(name, check) for name, check in checks.items()]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, Level.OK, check())
    except (StackRefused, OSError) as refused:
        return Finding(name, Level.ERROR, str(refused))


def _python() -> str:
    return f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"


def _memory() -> str:
    available = psutil.virtual_memory().available
    if available < NEEDED_MEMORY:
        raise StackRefused(f"{available >> 20} MB of memory are free, and the stack needs {NEEDED_MEMORY >> 20}")
    return f"{available >> 20} MB free"


def _kafka(cache: Path) -> str:
    missing = len(missing_jars(cache))
    if not missing:
        return f"Apache Kafka {KAFKA_VERSION} is in {cache}"
    from jgo.constants import MAVEN_CENTRAL_URL  # not in the image, where the command line runs too

    try:
        socket.create_connection((urlsplit(MAVEN_CENTRAL_URL).hostname or "", 443), NETWORK_WITHIN).close()
    except OSError as error:
        raise StackRefused(
            f"{missing} jars of Apache Kafka are not here yet and Maven Central cannot be reached ({error})"
        ) from error
    return f"{missing} jars of Apache Kafka will be downloaded at the first start"
