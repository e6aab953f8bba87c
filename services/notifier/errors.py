"""Refusals of the notifier's own."""

from libs.web.errors import Conflict


class TooManyEndpoints(Conflict):
    """The tenant has as many endpoints as it may have."""

    code = "too_many_endpoints"


class EndpointDisabled(Conflict):
    """Nothing is sent to a disabled endpoint."""

    code = "endpoint_disabled"
