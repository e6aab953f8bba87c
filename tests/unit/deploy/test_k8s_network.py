"""Who may talk to whom in a cluster is what the code needs, and no more."""

import pytest

from deploy.local.services import settings_of
from libs.egress.settings import EgressSettings
from libs.runtime.settings import BusSettings, GraphSettings
from tests.support.deployments import SERVICES
from tests.support.kustomization import Document
from tests.unit.deploy.test_k8s import JOBS, OVERLAYS, of_kind

COMPONENT = "app.kubernetes.io/component"
EVERYBODY = {*SERVICES, *JOBS, "kafka", "mongo"}
OWNERS = {
    name.removesuffix("_url") for name in settings_of("edge").model_fields if name.removesuffix("_url") in SERVICES
}


def policy(name: str, folder: str = "overlays/production") -> Document:
    found: Document = of_kind(folder, "NetworkPolicy")[name]["spec"]
    return found


def components(selector: Document) -> set[str]:
    """Return which of our parts a selector means."""
    chosen = set(EVERYBODY)
    if COMPONENT in selector.get("matchLabels", {}):
        chosen &= {selector["matchLabels"][COMPONENT]}
    for expression in selector.get("matchExpressions", []):
        assert (expression["key"], expression["operator"]) == (COMPONENT, "In")
        assert set(expression["values"]) <= EVERYBODY
        chosen &= set(expression["values"])
    return chosen


def ports(rule: Document) -> set[int]:
    return {number for it in rule["ports"] for number in range(it["port"], it.get("endPort", it["port"]) + 1)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_passes_that_no_policy_names(overlay: str) -> None:
    assert policy("default-deny", overlay) == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_door_alone_takes_calls_from_outside_of_the_namespace_and_the_watchers_the_metrics() -> None:
    rules = {
        (name, tuple(sorted(ports(rule))))
        for name in of_kind("overlays/production", "NetworkPolicy")
        for rule in policy(name).get("ingress", [])
        if any("namespaceSelector" in peer or "ipBlock" in peer for peer in rule["from"])
    }
    assert rules == {("edge-in", (8080,)), ("metrics", (9100,))}
    assert components(policy("edge-in")["podSelector"]) == {"edge"}


def test_edge_reaches_the_owners_of_what_it_forwards_and_they_take_calls_of_edge_alone() -> None:
    assert components(policy("owners-in")["podSelector"]) == OWNERS
    (rule,) = policy("owners-in")["ingress"]
    assert [components(peer["podSelector"]) for peer in rule["from"]] == [{"edge"}]
    (rule,) = policy("edge-to-owners")["egress"]
    assert [components(peer["podSelector"]) for peer in rule["to"]] == [OWNERS]
    assert components(policy("edge-to-owners")["podSelector"]) == {"edge"}


def test_the_servers_are_reached_by_those_who_use_them() -> None:
    users = {name for name in SERVICES if issubclass(settings_of(name), BusSettings)}
    assert components(policy("to-servers")["podSelector"]) == users | set(JOBS)
    (rule,) = policy("to-servers")["egress"]
    assert {9092, 9096, 27017} <= ports(rule)


def test_the_world_is_reached_by_those_who_call_meta_or_customers_over_https_at_public_addresses() -> None:
    calling = {name for name in SERVICES if issubclass(settings_of(name), GraphSettings | EgressSettings)}
    assert components(policy("to-the-world")["podSelector"]) == calling
    (rule,) = policy("to-the-world")["egress"]
    assert ports(rule) == {443}
    for peer in rule["to"]:
        private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
        assert private <= set(peer["ipBlock"]["except"]) or "fc00::/7" in peer["ipBlock"]["except"]


def test_the_simulated_meta_is_reached_by_those_who_call_meta_and_reaches_edge() -> None:
    calling = {name for name in SERVICES if issubclass(settings_of(name), GraphSettings)}
    assert components(policy("to-sandbox", "overlays/sandbox")["podSelector"]) == calling
    both = policy("sandbox", "overlays/sandbox")
    assert components(both["ingress"][0]["from"][0]["podSelector"]) == calling
    assert components(both["egress"][0]["to"][0]["podSelector"]) == {"edge"}
    assert components(policy("sandbox-to-edge", "overlays/sandbox")["podSelector"]) == {"edge"}


def test_all_that_may_record_traces_reach_a_collector_and_nothing_else_there() -> None:
    assert components(policy("traces")["podSelector"]) == {*SERVICES} - {"sandbox"}
    (rule,) = policy("traces")["egress"]
    assert ports(rule) == {4318}
    assert [peer["namespaceSelector"]["matchLabels"] for peer in rule["to"]] == [
        {"kubernetes.io/metadata.name": "monitoring"}
    ]
