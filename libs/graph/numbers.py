"""Graph's calls about one number: registration, verification, two-step PIN, business profile, blocked users."""

from typing import Any

from libs.graph.client import GraphClient, Json

PROFILE_FIELDS = ("about", "address", "description", "email", "profile_picture_url", "websites", "vertical")
_PRODUCT = {"messaging_product": "whatsapp"}


class GraphNumbers:
    """What Graph can do with a number. All calls raise GraphRefused or GraphUnavailable."""

    def __init__(self, graph: GraphClient) -> None:
        self._graph = graph

    async def register(self, phone_number_id: str, token: str, pin: str) -> None:
        """Register the number for the Cloud API; sets the two-step PIN where there is none, else it must be the same.

        Source: Meta allows ten registrations and deregistrations of a number in 72 hours (133016).
        """
        await self._graph.call("POST", f"/{phone_number_id}/register", token, body={**_PRODUCT, "pin": pin})

    async def deregister(self, phone_number_id: str, token: str) -> None:
        """Take the number off the Cloud API: it cannot send until it is registered again."""
        await self._graph.call("POST", f"/{phone_number_id}/deregister", token)

    async def request_code(self, phone_number_id: str, token: str, method: str, language: str) -> None:
        """Have Meta send a verification code to the number by `SMS` or `VOICE`."""
        asked = {"code_method": method, "language": language}
        await self._graph.call("POST", f"/{phone_number_id}/request_code", token, body=asked)

    async def verify_code(self, phone_number_id: str, token: str, code: str) -> None:
        """Prove with the code that the number is the business's."""
        await self._graph.call("POST", f"/{phone_number_id}/verify_code", token, body={"code": code})

    async def set_pin(self, phone_number_id: str, token: str, pin: str) -> None:
        """Set the two-step PIN (six digits)."""
        await self._graph.call("POST", f"/{phone_number_id}", token, body={"pin": pin})

    async def profile(self, phone_number_id: str, token: str) -> Json:
        """Read the business profile."""
        path = f"/{phone_number_id}/whatsapp_business_profile"
        data = (await self._graph.call("GET", path, token, params={"fields": ",".join(PROFILE_FIELDS)})).get("data")
        return data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}

    async def change_profile(self, phone_number_id: str, token: str, changes: Json) -> None:
        """Change the fields of the business profile that are given."""
        path = f"/{phone_number_id}/whatsapp_business_profile"
        await self._graph.call("POST", path, token, body={**_PRODUCT, **changes})

    async def blocked(self, phone_number_id: str, token: str, limit: int, after: str | None) -> tuple[list[Any], str]:
        """Read a page of the blocked users; -> the rows, and the cursor of the next page or nothing."""
        params = {"limit": str(limit)} | ({"after": after} if after else {})
        page = await self._graph.call("GET", f"/{phone_number_id}/block_users", token, params=params)
        rows, paging = page.get("data"), page.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) and paging.get("next") else None
        cursor = cursors.get("after") if isinstance(cursors, dict) else None
        return rows if isinstance(rows, list) else [], cursor if isinstance(cursor, str) else ""

    async def block(self, phone_number_id: str, token: str, users: list[str], *, blocked: bool) -> Json:
        """Block or unblock users; -> Graph's answer per user."""
        body = {**_PRODUCT, "block_users": [{"user": user} for user in users]}
        answer = await self._graph.call(
            "POST" if blocked else "DELETE", f"/{phone_number_id}/block_users", token, body=body
        )
        told = answer.get("block_users")
        return told if isinstance(told, dict) else {}
