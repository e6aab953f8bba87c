"""What other services own: which calls are passed on to whom, and what a key needs for them."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.edge.api_keys import Scope
from services.edge.forward import Forwarder, Resource
from services.edge.settings import Settings

CAMPAIGN_LIMIT = 16 * 1024 * 1024  # bytes: a campaign may come with its first 10,000 recipients


def owned(settings: Settings, base: str) -> list[Resource]:
    """Return what other services own."""
    usual = {"GET": Scope.READ} | dict.fromkeys(("POST", "PATCH", "DELETE"), Scope.WRITE)
    return [
        Resource(f"{base}/templates", settings.templates_url, usual, uploads=("/media",)),
        Resource(
            f"{base}/campaigns", settings.campaigns_url, usual, limit=CAMPAIGN_LIMIT, uploads=("/recipients",),
            sending=("/launch", "/pause", "/resume", "/cancel", "/retry"),
        ),
        Resource(f"{base}/analytics", settings.analytics_url, {"GET": Scope.READ}),
        Resource(f"{base}/webhook_endpoints", settings.notifier_url, usual),
        Resource(f"{base}/bots", settings.autoreply_url, usual),
        Resource(
            f"{base}/conversations", settings.autoreply_url, {"POST": Scope.WRITE, "DELETE": Scope.WRITE},
            paths=("/{conversation_id}/handover",),
        ),
    ]  # fmt: skip


def add_forwarding(api: FastAPI, forwarder: Forwarder, resources: list[Resource]) -> None:
    """Pass every call below these resources on to their owners."""
    for resource in resources:

        async def forward(request: Request, owned: Resource = resource) -> Response:
            return await forwarder.forward(request, owned)

        for path in resource.paths:
            api.add_route(resource.prefix + path, forward, methods=list(resource.scopes), include_in_schema=False)
