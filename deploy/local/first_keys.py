"""The stack's own tenant and its two keys, made through edge's internal routes at the first start."""

from collections.abc import Mapping
from typing import Any

import httpx

from deploy.local.errors import StackRefused
from libs.web.identity import HEADER, INTERNAL, sign_identity

USER_SCOPES = ("whatsapp:read", "whatsapp:write", "whatsapp:send")
ADMIN_SCOPES = (*USER_SCOPES, "whatsapp:admin")
TENANT_NAME = "local"


async def own_keys(client: httpx.AsyncClient, edge: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return `{tenant, api_key, admin_key}`: those that are known while edge still takes them, else new ones.

    Raises StackRefused when edge refuses to make them.
    """
    known = {name: secrets[name] for name in ("tenant", "api_key", "admin_key") if name in secrets}
    if len(known) == 3 and await _taken(client, edge, known["api_key"]):
        return known
    internal = {HEADER: sign_identity(secrets["internal_secret"], "*", "console", [INTERNAL])}

    async def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await client.post(f"{edge}/internal/{path}", json=body, headers=internal)
        if answer.status_code != 201:
            raise StackRefused(f"edge did not make the stack's {path}: HTTP {answer.status_code} {answer.text[:200]}")
        made: dict[str, Any] = answer.json()
        return made

    tenant = (await make("tenants", {"name": TENANT_NAME}))["id"]
    key = {"tenant": tenant, "mode": "test"}
    api_key = await make("keys", key | {"scopes": list(USER_SCOPES), "name": "local"})
    admin_key = await make("keys", key | {"scopes": list(ADMIN_SCOPES), "name": "local admin"})
    return {"tenant": tenant, "api_key": api_key["key"], "admin_key": admin_key["key"]}


async def _taken(client: httpx.AsyncClient, edge: str, key: str) -> bool:
    answer = await client.get(f"{edge}/api/v1/whatsapp/accounts", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code != 401
