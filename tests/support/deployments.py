"""What a deployment's files have to say to each service, read from the services' own settings."""

from datetime import timedelta
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from deploy.local.services import present_services, settings_of
from libs.runtime.settings import PREFIX, SHARED_BY_DEPLOYMENT, BusSettings, GraphSettings

ROOT = Path(__file__).parents[2]
SERVICES = sorted(service.name for service in present_services())


def required_variables(service: str) -> set[str]:
    """Return the variables without which the service does not start."""
    return {PREFIX + name.upper() for name, field in settings_of(service).model_fields.items() if field.is_required()}


def allowed_variables(service: str) -> set[str]:
    """Return the variables that the service reads or lets pass; any other one of our prefix stops its start."""
    kinds = (settings_of(service), GraphSettings)  # the shared classes are imported with the first of them
    return {PREFIX + name.upper() for kind in kinds for name in kind.model_fields} | SHARED_BY_DEPLOYMENT


def required_secrets(service: str) -> set[str]:
    """Return the required variables that are files in a deployment; MongoDB's address is one only with a password."""
    fields = settings_of(service).model_fields
    found = {name for name, field in fields.items() if field.is_required() and field.annotation is SecretStr}
    return {PREFIX + name.upper() for name in found - {"mongo_url"}}


def optional_secrets(service: str) -> set[str]:
    """Return the secrets of its own that a service takes, and that need not be there: those of a rotation."""
    fields = settings_of(service).model_fields
    shared = BusSettings.model_fields
    return {
        PREFIX + name.upper()
        for name, field in fields.items()
        if not field.is_required() and name not in shared and SecretStr in get_args(field.annotation)
    }


def stop_bound(service: str) -> float:
    """Return how long the service may take for an orderly stop, in seconds."""
    bound: timedelta = settings_of(service).model_fields["stop_timeout"].default
    return bound.total_seconds()
