"""The manifests of deploy/k8s, as kustomize renders them, agree with the code: no cluster is needed for that."""

from functools import cache
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.local.plan import SERVICE_READY_WITHIN
from deploy.local.services import settings_of
from deploy.local.topic_settings import TopicSettings
from libs.observability.http import operational_routes
from libs.runtime.settings import PREFIX, BusSettings
from tests.support.deployments import (
    ROOT,
    SERVICES,
    allowed_variables,
    optional_secrets,
    required_secrets,
    required_variables,
    stop_bound,
)
from tests.support.kustomization import Document, rendered

K8S = ROOT / "deploy/k8s"
OVERLAYS = ("overlays/sandbox", "overlays/production")
ALL = ("namespace", *OVERLAYS, "overlays/sandbox/servers", *(f"{overlay}/jobs" for overlay in OVERLAYS))
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()  # 1.30 is the first that can sleep before a stop
# What is in the secret `servers`: for production an operator makes it, as the README says.
SERVERS_SECRET = {
    "overlays/sandbox": {"WABUS_MONGO_URL"},
    "overlays/production": {"WABUS_MONGO_URL", "WABUS_KAFKA_USERNAME", "WABUS_KAFKA_PASSWORD"},
}
JOBS = {
    "topics": ["python", "-m", "deploy.local.topics"],
    "migrations": ["python", "-m", "services.console", "migrate"],
}
RUNS = [(overlay, name) for overlay in OVERLAYS for name in SERVICES if name != "sandbox" or "sandbox" in overlay]


@cache
def documents(folder: str) -> list[Document]:
    return rendered(K8S / folder)


def of_kind(folder: str, *kinds: str) -> dict[str, Document]:
    return {it["metadata"]["name"]: it for it in documents(folder) if it["kind"] in kinds}


def pod(folder: str, name: str, kind: str = "Deployment") -> Document:
    found: Document = of_kind(folder, kind)[name]["spec"]["template"]["spec"]
    return found


def container(folder: str, name: str, kind: str = "Deployment") -> Document:
    (only,) = pod(folder, name, kind)["containers"]
    found: Document = only
    return found


def pods(folder: str) -> dict[tuple[str, str], Document]:
    kinds = ("Deployment", "StatefulSet", "Job")
    return {
        (it["kind"], it["metadata"]["name"]): it["spec"]["template"] for it in documents(folder) if it["kind"] in kinds
    }


def settings(folder: str, name: str, kind: str = "Deployment") -> dict[str, str]:
    """Return what the environment says to the one container."""
    it = container(folder, name, kind)
    maps = [of_kind(folder, "ConfigMap")[source["configMapRef"]["name"]]["data"] for source in it["envFrom"]]
    told = {key: value for data in maps for key, value in data.items()}
    return told | {entry["name"]: entry["value"] for entry in it.get("env", [])}


def secret_files(folder: str, name: str, kind: str = "Deployment", *, optional: bool = False) -> set[str]:
    """Return the files of the secret `wabus` that a pod sees: those without which it does not start, or the others."""
    sources = [source for source in secret_sources(folder, name, kind) if source["name"] == "wabus"]
    items = [item for it in sources if it.get("optional", False) is optional for item in it["items"]]
    assert all(item["key"] == item["path"] for item in items)
    return {item["key"] for item in items}


def secret_sources(folder: str, name: str, kind: str) -> list[Document]:
    (volume,) = [it for it in pod(folder, name, kind)["volumes"] if it["name"] == "secrets"]
    found = [source["secret"] for source in volume["projected"]["sources"]]
    assert {source["name"] for source in found} <= {"wabus", "servers"}
    return found


def sees_servers(folder: str, name: str, kind: str = "Deployment") -> bool:
    """Tell whether a pod sees the secret `servers`."""
    return "servers" in {source["name"] for source in secret_sources(folder, name, kind)}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", ALL)
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(folder: str, version: str) -> None:
    for document in documents(folder):
        if not document["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_runs(overlay: str) -> None:
    wanted = set(SERVICES) if "sandbox" in overlay else set(SERVICES) - {"sandbox"}
    assert set(of_kind(overlay, "Deployment")) == wanted
    assert all(container(overlay, name)["args"] == ["python", "-m", f"services.{name}"] for name in wanted)


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_each_service_is_told_all_that_it_requires_and_nothing_unknown(overlay: str, name: str) -> None:
    told = {variable for variable in settings(overlay, name) if variable.startswith(PREFIX)}
    files, servers = secret_files(overlay, name), sees_servers(overlay, name)
    assert files == required_secrets(name)
    assert secret_files(overlay, name, optional=True) == optional_secrets(name)
    assert servers is issubclass(settings_of(name), BusSettings)
    told |= files | (SERVERS_SECRET[overlay] if servers else set())
    assert required_variables(name) <= told
    assert told <= allowed_variables(name)


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_the_values_that_are_told_are_taken_by_the_settings(overlay: str, name: str) -> None:
    trial = {it: (ROOT / "deploy/docker/sandbox-secrets" / it).read_text().strip() for it in required_secrets(name)}
    own = {it: text.replace("sandbox-only", "k1") for it, text in trial.items()}
    servers = dict.fromkeys(SERVERS_SECRET[overlay], "mongodb://mongo:27017/?replicaSet=wabus")
    told = servers | settings(overlay, name) | own
    for absent in ("WABUS_SECRETS_DIR", "WABUS_KAFKA_CA_FILE"):  # the pod has them, this machine has not
        told.pop(absent, None)
    settings_of(name).model_validate({key.removeprefix(PREFIX).lower(): value for key, value in told.items()})


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_secrets_are_mounted_where_the_settings_look_for_them(overlay: str, name: str) -> None:
    mounts = {it["name"]: it for it in container(overlay, name)["volumeMounts"]}
    assert mounts["secrets"]["mountPath"] == settings(overlay, name)["WABUS_SECRETS_DIR"]
    assert mounts["secrets"]["readOnly"] is True
    assert {volume["name"] for volume in pod(overlay, name)["volumes"]} == set(mounts)


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_ports_and_probes_are_those_of_the_code(overlay: str, name: str) -> None:
    it = container(overlay, name)
    told = settings(overlay, name)
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    ports = {port["name"]: str(port["containerPort"]) for port in it["ports"]}
    assert f"WABUS_HTTP_PORT={ports['http']} " in image.replace("\n", " ")
    assert ports["metrics"] == told["WABUS_METRICS_PORT"]
    annotations = of_kind(overlay, "Deployment")[name]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == ports["metrics"]

    answered = {route.path for route in operational_routes(lambda: NotImplemented)}
    probes = {kind: it[kind] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["httpGet"]["path"] for probe in probes.values()} <= answered
    assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert probes["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    start = probes["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= SERVICE_READY_WITHIN


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_a_pod_is_killed_only_after_its_service_must_have_ended(overlay: str, name: str) -> None:
    before = container(overlay, name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(overlay, name)["terminationGracePeriodSeconds"] >= before + stop_bound(name) + 5


@pytest.mark.parametrize(("overlay", "name"), RUNS)
def test_no_variable_of_a_cluster_gets_among_the_settings(overlay: str, name: str) -> None:
    assert pod(overlay, name)["enableServiceLinks"] is False


@pytest.mark.parametrize("folder", ALL)
def test_every_pod_keeps_to_the_restricted_standard_and_knows_no_token(folder: str) -> None:
    for template in pods(folder).values():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for it in spec["containers"]:
            assert it["securityContext"]["allowPrivilegeEscalation"] is False
            assert it["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= it["resources"]["requests"].keys()
            assert "memory" in it["resources"]["limits"]


@pytest.mark.parametrize("folder", ["overlays/sandbox", "overlays/production", *[f"{it}/jobs" for it in OVERLAYS]])
def test_our_pods_run_as_the_user_of_the_image_with_a_read_only_root(folder: str) -> None:
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    for template in pods(folder).values():
        context = template["spec"]["securityContext"]
        assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in image
        assert template["spec"]["serviceAccountName"] in of_kind("namespace", "ServiceAccount")
        assert all(it["securityContext"]["readOnlyRootFilesystem"] is True for it in template["spec"]["containers"])


def test_images_are_those_of_compose() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    wanted = {composed["services"][name]["image"] for name in ("kafka", "mongo")} | {composed["x-service"]["image"]}
    used = {it["image"] for folder in ALL for pod in pods(folder).values() for it in pod["spec"]["containers"]}
    assert {image.removeprefix("registry.example.com/") for image in used} == wanted


@pytest.mark.parametrize("folder", ALL)
def test_no_secret_stands_in_the_manifests_but_the_published_ones_of_the_trial(folder: str) -> None:
    assert set(of_kind(folder, "Secret")) == ({"wabus", "servers"} if folder == "overlays/sandbox/servers" else set())


def test_the_trial_brings_every_secret_that_a_pod_of_it_sees() -> None:
    brought = {name: set(it["stringData"]) for name, it in of_kind("overlays/sandbox/servers", "Secret").items()}
    seen = {file for name in SERVICES for file in secret_files("overlays/sandbox", name)}
    seen |= {file for job in JOBS for file in secret_files("overlays/sandbox/jobs", job, "Job")}
    assert brought == {"wabus": seen, "servers": SERVERS_SECRET["overlays/sandbox"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_its_command_with_what_it_requires(overlay: str, job: str) -> None:
    assert container(f"{overlay}/jobs", job, "Job")["args"] == JOBS[job]
    told = settings(f"{overlay}/jobs", job, "Job")
    services = settings(overlay, "edge")
    assert set(told) <= set(services)  # the doctor, which edge's pod runs, compares with what the jobs did
    assert {key: value for key, value in told.items() if services.get(key, value) != value} == {}
    required = {PREFIX + name.upper() for name, field in TopicSettings.model_fields.items() if field.is_required()}
    assert required <= set(told) | SERVERS_SECRET[overlay]
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][job]
    assert secret_files(f"{overlay}/jobs", job, "Job") == set(composed.get("secrets", []))
    assert sees_servers(f"{overlay}/jobs", job, "Job")


def test_the_readme_names_every_key_of_both_secrets() -> None:
    text = (K8S / "README.md").read_text()
    keys = {file for name in SERVICES for file in required_secrets(name) | optional_secrets(name)}
    keys |= SERVERS_SECRET["overlays/production"]
    assert {key for key in keys if f"`{key}`" not in text} == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_addresses_in_the_settings_are_services_of_the_cluster(overlay: str) -> None:
    services = of_kind(overlay, "Service")
    told = settings(overlay, "edge")
    for name in ("templates", "notifier", "campaigns", "analytics", "autoreply"):
        (port,) = services[name]["spec"]["ports"]
        assert told[f"WABUS_{name.upper()}_URL"] == f"http://{name}:{port['port']}"
        assert port["targetPort"] in {it["name"] for it in container(overlay, name)["ports"]}


def selected(folder: str, selector: dict[str, Any]) -> set[str]:
    """Return the names of the pods that a selector means."""

    def means(labels: dict[str, str]) -> bool:
        asked = selector.get("matchExpressions", [])
        return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
            labels.get(it["key"]) in it["values"] for it in asked
        )

    return {name for (_, name), template in pods(folder).items() if means(template["metadata"]["labels"])}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_selects_pods_finds_those_of_its_service(overlay: str) -> None:
    for name, service in of_kind(overlay, "Service").items():
        assert selected(overlay, {"matchLabels": service["spec"]["selector"]}) == {name}
    for name, deployment in of_kind(overlay, "Deployment").items():
        assert selected(overlay, deployment["spec"]["selector"]) == {name}
        for spread in pod(overlay, name)["topologySpreadConstraints"]:
            assert name in selected(overlay, spread["labelSelector"])


def test_every_service_of_production_survives_the_loss_of_a_node() -> None:
    budgets = of_kind("overlays/production", "PodDisruptionBudget")
    assert set(budgets) == set(SERVICES) - {"sandbox"}
    for name, budget in budgets.items():
        assert selected("overlays/production", budget["spec"]["selector"]) == {name}
        assert least("overlays/production", name) >= 2


def least(overlay: str, name: str) -> int:
    """Return how many of a service there are at least."""
    autoscaled, by_lag = of_kind(overlay, "HorizontalPodAutoscaler"), of_kind(overlay, "ScaledObject")
    if name in autoscaled:
        return int(autoscaled[name]["spec"]["minReplicas"])
    if name in by_lag:
        return int(by_lag[name]["spec"]["minReplicaCount"])
    return int(of_kind(overlay, "Deployment")[name]["spec"]["replicas"])


def test_the_example_host_of_production_lets_nothing_in_but_what_clients_call() -> None:
    (ingress,) = of_kind("overlays/production", "Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    paths = {(path["path"], path["pathType"]) for path in rule["http"]["paths"]}
    assert paths == {("/api/", "Prefix"), ("/webhooks/", "Prefix"), ("/docs", "Exact"), ("/openapi.json", "Exact")}
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"edge"}
    assert settings("overlays/production", "edge")["WABUS_PUBLIC_URL"] == f"https://{rule['host']}"
    assert settings("overlays/production", "edge")["WABUS_EDGE_METRICS"] == "false"
