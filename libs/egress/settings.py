"""The settings of services that call addresses which customers gave."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode

from libs.egress.addresses import Limits
from libs.runtime.settings import BusSettings, listed


class EgressSettings(BusSettings):
    """Where calls may go, and the keys of what they are signed with."""

    encryption_keys: SecretStr = Field(description="Key ring for secrets at rest.")
    egress_ports: Annotated[frozenset[int], NoDecode, listed(int)] = Field(
        default=frozenset({443}), description="Ports that a customer's URL may name (comma separated)."
    )
    egress_allowed_private: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, listed(ip_network)] = Field(
        default=(),
        description="Networks reached though they are not public, with http and any port: for test stacks only.",
    )

    @property
    def egress_limits(self) -> Limits:
        """What may be called."""
        return Limits(self.egress_ports, self.egress_allowed_private)
