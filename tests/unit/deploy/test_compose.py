"""docker-compose.yml, as Docker Compose itself reads it, agrees with the code: no Docker engine is needed for that."""

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.docker.make_secrets import MAKERS, make_secrets
from deploy.local.jars import KAFKA_VERSION
from deploy.local.mongod import REPLICA_SET
from deploy.local.plan import SERVICE_READY_WITHIN
from deploy.local.services import settings_of
from libs.directory.vault import Vault
from libs.egress.settings import EgressSettings
from libs.runtime.settings import PREFIX, PUBLISHED, GraphSettings
from services.console.target import target_of
from tests.support.deployments import (
    ROOT,
    SERVICES,
    allowed_variables,
    required_secrets,
    required_variables,
    stop_bound,
)

DOCKER_COMPOSE = Path(sys.executable).with_name("docker-compose")
TRIAL = ROOT / "deploy/docker/sandbox-secrets"
OUR_JOBS = {
    "topics": ["python", "-m", "deploy.local.topics"],
    "migrations": ["python", "-m", "services.console", "migrate"],
}
TOOL = "console"
SERVERS = {"kafka", "mongo"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@cache
def composed(*options: str) -> dict[str, Any]:
    """Return the file as Compose resolves it: merged, interpolated, checked against the specification's schema."""
    command = [str(DOCKER_COMPOSE), "--project-directory", str(ROOT), "--profile", "*", *options]
    done = subprocess.run(
        [*command, "config", "--format", "json"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "level=warn" not in done.stderr, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def container(name: str) -> dict[str, Any]:
    found: dict[str, Any] = composed()["services"][name]
    return found


def names() -> list[str]:
    return sorted(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


def seconds(text: str) -> float:
    minutes, _, rest = text.removesuffix("s").rpartition("m")
    return float(minutes or 0) * 60 + float(rest)


def example_environment() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def example_secrets(service: str) -> set[str]:
    return {secret["source"] for secret in container(service).get("secrets", [])}


def test_every_service_runs_and_nothing_else_of_ours_but_the_jobs() -> None:
    ours = {name for name in names() if container(name)["image"].startswith("wabus:")}
    assert ours == {*SERVICES, *OUR_JOBS, TOOL}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_the_service_of_its_name(name: str) -> None:
    assert container(name)["command"] == ["python", "-m", f"services.{name}"]


@pytest.mark.parametrize("name", OUR_JOBS)
def test_a_job_runs_its_command_once_and_the_services_wait_for_it(name: str) -> None:
    assert container(name)["command"] == OUR_JOBS[name]
    assert container(name)["restart"] == "on-failure"
    waiting = {service for service in SERVICES if name in container(service).get("depends_on", {})}
    assert waiting == set(SERVICES) - {"sandbox"}
    assert all(
        container(service)["depends_on"][name]["condition"] == "service_completed_successfully" for service in waiting
    )


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_told_all_that_its_service_requires_and_nothing_unknown(name: str) -> None:
    told = {variable for variable in container(name)["environment"] if variable.startswith(PREFIX)}
    assert required_variables(name) <= told | example_secrets(name)
    assert told | example_secrets(name) <= allowed_variables(name)


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_sees_the_secrets_that_its_service_requires_and_no_other(name: str) -> None:
    assert example_secrets(name) == required_secrets(name)
    assert container(name)["environment"]["WABUS_SECRETS_DIR"] == "/run/secrets"


def test_the_trial_needs_no_preparation() -> None:
    """Every secret is there, and each service takes them together with what the file says."""
    for name, secret in composed()["secrets"].items():
        assert Path(secret["file"]) == TRIAL / name
        assert Path(secret["file"]).read_text().strip()
    for name in SERVICES:
        told = {key: value for key, value in container(name)["environment"].items() if key != "WABUS_SECRETS_DIR"}
        told |= {secret: (TRIAL / secret).read_text().strip() for secret in example_secrets(name)}
        settings_of(name).model_validate({key.removeprefix(PREFIX).lower(): value for key, value in told.items()})


def test_the_key_ring_of_the_trial_is_one_and_is_known_as_published() -> None:
    ring = (TRIAL / "WABUS_ENCRYPTION_KEYS").read_text().strip()
    assert Vault(ring).encrypt("tenant", "token", "text").startswith(PUBLISHED)


def test_the_example_environment_names_a_folder_of_secrets_and_settings_that_some_service_reads(tmp_path: Path) -> None:
    example = example_environment()
    read = {PREFIX + field.upper() for name in SERVICES for field in settings_of(name).model_fields}
    assert {name for name in example if name.startswith(PREFIX)} <= read
    resolved = composed("--env-file", ".env.example")
    told = resolved["services"]["edge"]["environment"]
    assert told["WABUS_GRAPH_URL"] == "https://graph.facebook.com"
    assert told["WABUS_APP_ID"] == ""  # to be filled in: edge does not start without it
    assert {Path(secret["file"]).parent for secret in resolved["secrets"].values()} == {ROOT / "secrets"}


def test_the_secrets_that_are_made_are_those_that_compose_wants_but_for_the_one_of_meta(tmp_path: Path) -> None:
    assert set(MAKERS) | {"WABUS_APP_SECRET"} == set(composed()["secrets"])
    assert set(make_secrets(tmp_path / "secrets")) == set(MAKERS)
    made = {name: (tmp_path / "secrets" / name).read_text() for name in MAKERS}
    assert make_secrets(tmp_path / "secrets") == []
    assert made == {name: (tmp_path / "secrets" / name).read_text() for name in MAKERS}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    GraphSettings.model_validate({
        "log_hash_key": made["WABUS_LOG_HASH_KEY"], "kafka_bootstrap": "kafka:9092", "mongo_url": "mongodb://mongo",
        "encryption_keys": made["WABUS_ENCRYPTION_KEYS"],
    })  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_container_is_healthy_only_when_it_answers(name: str) -> None:
    check = container(name)["healthcheck"]
    if name in {*OUR_JOBS, TOOL}:
        assert check == {"disable": True}
    else:
        assert check["test"][0] == "CMD"
        assert "curl" not in check["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_healthy_when_it_is_ready_and_has_the_time_that_it_may_need(name: str) -> None:
    check = container(name)["healthcheck"]
    assert "http://127.0.0.1:8080/readyz" in check["test"][-1]
    assert seconds(check["start_period"]) >= SERVICE_READY_WITHIN


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_killed_only_after_its_service_must_have_ended(name: str) -> None:
    assert seconds(container(name)["stop_grace_period"]) >= stop_bound(name) + 5


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "sandbox"])
def test_a_service_starts_when_its_servers_answer(name: str) -> None:
    assert {
        server for server, about in container(name)["depends_on"].items() if about["condition"] == "service_healthy"
    } == SERVERS


@pytest.mark.parametrize("name", names())
def test_every_container_is_bounded_and_can_gain_nothing(name: str) -> None:
    it = container(name)
    assert int(it["mem_limit"]) <= 2 * 2**30
    assert it["cpus"] <= 2
    assert it["cap_drop"] == ["ALL"]
    assert it["security_opt"] == ["no-new-privileges:true"]
    assert it["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in it


@pytest.mark.parametrize("name", [*SERVICES, *OUR_JOBS, TOOL, "prometheus", "grafana"])
def test_the_root_is_read_only(name: str) -> None:
    assert container(name)["read_only"] is True


def test_versions_are_pinned_and_our_image_has_the_version_of_the_project() -> None:
    version = PROJECT["version"]
    for name in names():
        repository, _, tag = container(name)["image"].partition(":")
        assert tag[:1].isdigit() or tag[:2] == "v3", repository
        assert repository != "wabus" or tag == version


def test_only_edge_and_pages_for_people_are_published_and_on_this_host_alone() -> None:
    ports = {name: container(name)["ports"] for name in names() if "ports" in container(name)}
    assert set(ports) == {"edge", "grafana", "sandbox"}
    assert {port["host_ip"] for listed in ports.values() for port in listed} == {"127.0.0.1"}


def scraped() -> set[str]:
    """Return every `host:port` that Prometheus asks."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    listed = {
        target
        for job in config["scrape_configs"]
        for static in job.get("static_configs", [])
        for target in static["targets"]
    }
    return listed | {
        f"{name}:{looked_up['port']}"
        for job in config["scrape_configs"]
        for looked_up in job.get("dns_sd_configs", [])
        for name in looked_up["names"]
    }


def test_metrics_have_a_port_that_is_not_published_and_prometheus_finds_them_there() -> None:
    ports = {name: container(name)["environment"]["WABUS_METRICS_PORT"] for name in SERVICES}
    assert {f"{name}:{port}" for name, port in ports.items()} <= scraped()
    assert ports["edge"] not in {str(port["target"]) for port in container("edge")["ports"]}
    assert container("edge")["environment"]["WABUS_EDGE_METRICS"] == "false"


def test_the_command_line_is_told_where_the_others_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    it = container(TOOL)
    assert it["entrypoint"] == ["tini", "--", "python", "-m", "services.console"]
    assert it["profiles"] == [TOOL]
    for name, value in it["environment"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WABUS_SECRETS_DIR", str(TRIAL))
    told = target_of(tmp_path)
    assert (told.need("edge"), told.need("sandbox")) == ("http://edge:8080", "http://sandbox:8080")
    assert told.need("internal_secret")
    assert example_secrets(TOOL) == {"WABUS_INTERNAL_SECRET"}


def test_the_way_out_is_open_to_those_who_call_meta_or_customers() -> None:
    assert composed()["networks"]["inside"]["internal"] is True
    calling = {name for name in SERVICES if issubclass(settings_of(name), GraphSettings | EgressSettings)}
    assert {name for name in names() if "outside" in container(name)["networks"]} == calling | {"sandbox", "grafana"}
    assert all("inside" in container(name)["networks"] for name in names())


def test_the_servers_alone_can_be_opened_to_the_host() -> None:
    opened = composed("-f", "docker-compose.yml", "-f", "deploy/docker/servers.yml")["services"]
    assert {name for name in SERVERS if opened[name]["ports"][0]["host_ip"] == "127.0.0.1"} == SERVERS
    advertised = opened["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"127.0.0.1:{opened['kafka']['ports'][0]['published']}" in advertised


def test_the_servers_are_those_of_the_local_stack() -> None:
    assert container("kafka")["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert f"replicaSet={REPLICA_SET}" in container("edge")["environment"]["WABUS_MONGO_URL"]
    assert REPLICA_SET in container("mongo")["command"]
    assert f"_id: '{REPLICA_SET}'" in container("mongo")["healthcheck"]["test"][-1]


def test_a_broker_takes_the_largest_record_of_the_contract() -> None:
    contract = yaml.safe_load((ROOT / "contracts/topics.yaml").read_text())
    largest = max(row["max_message_bytes"] for row in [*contract["topics"], contract["dead_letters"]])
    assert int(container("kafka")["environment"]["KAFKA_MESSAGE_MAX_BYTES"]) >= largest


@pytest.mark.parametrize("name", names())
def test_what_is_mounted_from_the_project_is_there_and_cannot_be_written(name: str) -> None:
    for volume in container(name).get("volumes", []):
        if volume["type"] == "bind":
            assert Path(volume["source"]).is_dir(), volume["source"]
            assert volume["read_only"] is True
        else:
            assert volume["source"] in composed()["volumes"]
