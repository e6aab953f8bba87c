"""Which services the stack has, and what each one's environment says: only what its `Settings` ask for."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from deploy.local.errors import StackRefused
from deploy.local.settings import LocalSettings
from libs.runtime.settings import PREFIX, ServiceSettings

ROOT = Path(__file__).parents[2]


class Tier(IntEnum):
    """The order in which parts stop, highest first: no more in, then work off, then Meta, then the servers."""

    SERVERS = 0
    META = 1
    WORKERS = 2
    DOOR = 3


@dataclass(frozen=True, slots=True)
class Service:
    """A folder below `services/` that runs as a process."""

    name: str
    tier: Tier


SERVICES = (
    Service("sandbox", Tier.META),
    Service("templates", Tier.WORKERS),
    Service("tracker", Tier.WORKERS),
    Service("sender", Tier.WORKERS),
    Service("campaigns", Tier.WORKERS),
    Service("analytics", Tier.WORKERS),
    Service("autoreply", Tier.WORKERS),
    Service("notifier", Tier.WORKERS),
    Service("edge", Tier.DOOR),
)

# Variables of our prefix that only the command line and the local stack read.
OUR_OWN = {PREFIX + name for name in ("EDGE_URL", "SANDBOX_URL", "API_KEY", "ADMIN_KEY", "TENANT", "STATE")}


def present_services() -> list[Service]:
    """Return the services whose folder is there."""
    return [service for service in SERVICES if (ROOT / "services" / service.name / "__main__.py").exists()]


def settings_of(service: str) -> type[ServiceSettings]:
    """Return the service's settings class; raises StackRefused when it cannot be imported."""
    try:
        found = importlib.import_module(f"services.{service}.settings").Settings
    except (ImportError, AttributeError) as error:
        raise StackRefused(f"services/{service}/settings.py cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, ServiceSettings)):
        raise StackRefused(f"services/{service}/settings.py: Settings is not a ServiceSettings")
    return found


def variables_of(service: str) -> set[str]:
    """Return the environment variables that a service reads."""
    return {PREFIX + name.upper() for name in settings_of(service).model_fields}


def check_given(given: Iterable[str], services: Iterable[str]) -> None:
    """Raise StackRefused for a variable that nobody reads: it is a misspelt one."""
    known = OUR_OWN | {PREFIX + name.upper() for name in LocalSettings.model_fields}
    known = known.union(*(variables_of(service) for service in services))
    unknown = sorted(set(given) - known)
    if unknown:
        raise StackRefused(f"{', '.join(unknown)}: no part of the stack has such a setting")


def environment_of(service: str, port: int, shared: Mapping[str, str], outside: Mapping[str, str]) -> dict[str, str]:
    """Return a process's environment: the outside's, and of ours what its settings declare."""
    wanted = variables_of(service)
    ours = {name: value for name, value in shared.items() if name in wanted}
    return {**outside, **ours, PREFIX + "HTTP_HOST": "127.0.0.1", PREFIX + "HTTP_PORT": str(port)}


def shared_environment(
    secrets: Mapping[str, str], servers: Mapping[str, str], urls: Mapping[str, str], sandbox_state: str
) -> dict[str, str]:
    """Return every variable that this stack knows an answer to: those of `servers`, and base addresses by service."""
    values = {
        "MONGO_DATABASE": "wabus",
        "GRAPH_URL": urls["sandbox"],
        "GRAPH_VERSION": "v25.0",
        "PUBLIC_URL": urls["edge"],
        "EGRESS_ALLOWED_PRIVATE": "127.0.0.1/32",  # a receiver or a model on the developer's own machine, without TLS
        "SANDBOX_STATE": sandbox_state,
        "SANDBOX_WEBHOOK_URL": urls["edge"] + "/webhooks/whatsapp",
        **{f"{name.upper()}_URL": url for name, url in urls.items()},
        **{
            name.upper(): secrets[name]
            for name in ("app_id", "app_secret", "verify_token", "encryption_keys", "internal_secret", "log_hash_key")
        },
    }
    return {**servers, **{PREFIX + name: value for name, value in values.items()}}
