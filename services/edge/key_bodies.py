"""The bodies of calls around keys: the same for tenants' admins and for our own tools."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from libs.directory.addresses import network
from services.edge.api_keys import Scope

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[^\x00]*$")]
NETWORKS = 50  # a list is walked for every call of its key
DAY = 24 * 3600  # seconds


def _network(text: str) -> str:
    try:
        return str(network(text))
    except ValueError:
        words = "Must be a network in CIDR form without host bits (203.0.113.0/24, 2001:db8::/32), or one address."
        raise ValueError(words) from None


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("Must be a time that exists in UTC.") from None


Addresses = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(_network)]],
    Field(max_length=NETWORKS, description="Networks (CIDR, IPv4 or IPv6) it may be used from; any where left out."),
]
Rate = Annotated[
    int | None, Field(ge=1, le=100_000, description="Requests per second; what every key has where left out.")
]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
Mode = Literal["live", "test"]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class KeyBody(BaseModel):
    """`POST /keys`: a key to make."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = "key"
    mode: Annotated[
        Mode | None, Field(description="test keys reach sandbox accounts only; as the calling key where left out.")
    ] = None
    scopes: Scopes
    expires_at: Annotated[Moment | None, Field(description="When it ends; never where left out.")] = None
    allowed_addresses: Addresses = []
    rate_per_second: Rate = None


class InternalKeyBody(BaseModel):
    """`POST /internal/keys`: a key to make, of any tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    scopes: Scopes
    mode: Mode = "live"
    name: Name = "key"
    expires_in: Annotated[int | None, Field(ge=1, le=100 * 365 * DAY, description="Seconds.")] = None
    allowed_addresses: Addresses = []
    rate_per_second: Rate = None

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when the key ends."""
        return datetime.fromtimestamp(now.timestamp() + self.expires_in, UTC) if self.expires_in else None


class RollBody(BaseModel):
    """How long the old key stays valid beside the new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * DAY, description="Seconds; a day where left out.")] = DAY


class NothingBody(BaseModel):
    """A call that needs no body."""

    model_config = ConfigDict(extra="forbid", frozen=True)
