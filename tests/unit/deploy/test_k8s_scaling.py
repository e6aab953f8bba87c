"""How far services are scaled in a cluster agrees with the topics that they read."""

import importlib
from typing import Any

import pytest
import yaml

from tests.support.deployments import ROOT
from tests.unit.deploy.test_k8s import of_kind

PRODUCTION = "overlays/production"
TOPICS: dict[str, dict[str, Any]] = {
    row["name"]: row for row in yaml.safe_load((ROOT / "contracts/topics.yaml").read_text())["topics"]
}
BY_LAG = sorted(of_kind(PRODUCTION, "ScaledObject"))


def test_there_are_no_more_senders_than_partitions_of_the_outbound_topics() -> None:
    scaler = of_kind(PRODUCTION, "HorizontalPodAutoscaler")["sender"]["spec"]
    assert scaler["maxReplicas"] == TOPICS["outbound.interactive.v1"]["partitions"]
    assert scaler["maxReplicas"] == TOPICS["outbound.bulk.v1"]["partitions"]


@pytest.mark.parametrize("name", BY_LAG)
def test_a_consumer_is_scaled_by_the_lag_of_its_own_group_in_topics_that_it_reads(name: str) -> None:
    group = importlib.import_module(f"services.{name}.app").GROUP
    for trigger in of_kind(PRODUCTION, "ScaledObject")[name]["spec"]["triggers"]:
        assert trigger["metadata"]["consumerGroup"] == group
        assert name in TOPICS[trigger["metadata"]["topic"]]["read_by"]
        assert trigger["metadata"]["bootstrapServersFromEnv"] == "WABUS_KAFKA_BOOTSTRAP"
        assert trigger["authenticationRef"]["name"] in of_kind(PRODUCTION, "TriggerAuthentication")


@pytest.mark.parametrize("name", BY_LAG)
def test_there_are_no_more_consumers_than_partitions(name: str) -> None:
    scaled = of_kind(PRODUCTION, "ScaledObject")[name]["spec"]
    assert scaled["maxReplicaCount"] <= max(TOPICS[it["metadata"]["topic"]]["partitions"] for it in scaled["triggers"])


def test_the_login_for_lag_is_the_one_of_the_services() -> None:
    (login,) = of_kind(PRODUCTION, "TriggerAuthentication").values()
    keys = {it["parameter"]: (it["name"], it["key"]) for it in login["spec"]["secretTargetRef"]}
    told = of_kind(PRODUCTION, "ConfigMap")["settings"]["data"]
    assert keys["username"] == ("servers", "WABUS_KAFKA_USERNAME")
    assert keys["password"] == ("servers", "WABUS_KAFKA_PASSWORD")
    assert told["WABUS_KAFKA_CA_FILE"] == f"{told['WABUS_SECRETS_DIR']}/{keys['ca'][1]}"
    for name in BY_LAG:
        for trigger in of_kind(PRODUCTION, "ScaledObject")[name]["spec"]["triggers"]:
            assert trigger["metadata"]["sasl"] == "scram_sha512"
            assert told["WABUS_KAFKA_SASL_MECHANISM"] == "SCRAM-SHA-512"
            assert (trigger["metadata"]["tls"] == "enable") is told["WABUS_KAFKA_SECURITY"].endswith("SSL")


def test_who_is_scaled_is_scaled_by_one_and_set_back_by_nobody() -> None:
    by_cpu = of_kind(PRODUCTION, "HorizontalPodAutoscaler")
    assert set(by_cpu) & set(BY_LAG) == set()
    for name, scaler in [*by_cpu.items(), *of_kind(PRODUCTION, "ScaledObject").items()]:
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in of_kind(PRODUCTION, "Deployment")[name]["spec"]
