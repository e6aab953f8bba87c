"""The Graph API's management calls: tokens, accounts, numbers, subscriptions, templates. Over httpx."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx

from libs.graph.errors import GraphRefused, GraphUnavailable, read_error

CALL_WITHIN = 30.0  # seconds for a whole call: an answer that drips would never reach a deadline between two reads
TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds; the few synchronous calls answer 504 after it
ANSWER_LIMIT = 32 * 1024 * 1024  # bytes: Graph's answers are untrusted; a page of 100 templates has well under 4 MB
PAGE = 100  # items a page, Meta's most for numbers
MOST_PAGES = 200  # of a list: 20,000 items, three times Meta's limit of templates

_ESCAPED = re.compile(rb"\\u[dD]")

Json = dict[str, Any]


class GraphClient:
    """Calls Graph with a given token. A part. All calls raise GraphRefused or GraphUnavailable."""

    def __init__(
        self,
        base_url: str,
        version: str,
        transport: httpx.AsyncBaseTransport | None = None,
        call_within: float = CALL_WITHIN,
    ) -> None:
        self._call_within = call_within
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._client = httpx.AsyncClient(timeout=TIMEOUT, transport=transport, follow_redirects=False, trust_env=False)

    async def start(self) -> None:
        """Nothing to open: connections are made as needed."""

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def debug_token(self, app_id: str, app_secret: str, token: str) -> Json:
        """Ask whose the token is: `{app_id, is_valid, scopes, granular_scopes, error?}`."""
        answer = await self.call("GET", "/debug_token", f"{app_id}|{app_secret}", params={"input_token": token})
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    async def debug_itself(self, token: str) -> Json:
        """Ask the same as the token itself may: it is the only way to its app where that app is not known."""
        answer = await self.call("GET", "/debug_token", token, params={"input_token": token})
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    async def exchange_code(self, app_id: str, app_secret: str, code: str) -> str:
        """Exchange a code of Embedded Signup for the customer's token: a code works once, for 30 seconds."""
        asked = {"client_id": app_id, "client_secret": app_secret, "code": code}
        token = (await self.call("POST", "/oauth/access_token", "", body=asked)).get("access_token")
        if not isinstance(token, str) or not token:
            raise GraphUnavailable("Graph's answer has no token")
        return token

    async def account(self, waba_id: str, token: str) -> Json:
        """Read the WABA: name, currency, time zone, status, its portfolio and messaging limit."""
        fields = (
            "id,name,status,currency,country,timezone_id,account_review_status,business_verification_status,"
            "owner_business_info,whatsapp_business_manager_messaging_limit,health_status"
        )
        return await self.call("GET", f"/{waba_id}", token, params={"fields": fields})

    async def numbers(self, waba_id: str, token: str) -> list[Json]:
        """Read all numbers of the WABA with quality, throughput and status."""
        fields = (
            "id,display_phone_number,verified_name,name_status,quality_rating,throughput,status,"
            "code_verification_status,platform_type,is_on_biz_app,health_status,whatsapp_business_manager_messaging_limit"
        )
        return [item async for item in self.pages(f"/{waba_id}/phone_numbers", token, {"fields": fields})]

    async def subscribe(self, waba_id: str, token: str, callback: str | None = None, verify_token: str = "") -> None:
        """Subscribe the token's app to the WABA's webhooks, with a callback of its own where one is given."""
        override = {"override_callback_uri": callback, "verify_token": verify_token} if callback else None
        await self.call("POST", f"/{waba_id}/subscribed_apps", token, body=override)

    async def unsubscribe(self, waba_id: str, token: str) -> None:
        """End the subscription of the token's app."""
        await self.call("DELETE", f"/{waba_id}/subscribed_apps", token)

    async def templates(self, waba_id: str, token: str) -> AsyncIterator[Json]:
        """Read every template of the WABA, page by page."""
        fields = (
            "id,name,status,category,language,components,parameter_format,quality_score,rejected_reason,"
            "previous_category,message_send_ttl_seconds,sub_category"
        )
        async for item in self.pages(f"/{waba_id}/message_templates", token, {"fields": fields}):
            yield item

    async def mark_read(self, phone_number_id: str, token: str, wamid: str, typing: bool) -> None:
        """Mark a user's message, and all before it, as read; `typing` shows them that an answer is on its way."""
        body: Json = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        await self.call("POST", f"/{phone_number_id}/messages", token, body=body)

    async def pages(self, path: str, token: str, params: dict[str, str]) -> AsyncIterator[Json]:
        """Read a paged edge to its end: a page is the last when it has no `next` (its cursor is still there)."""
        after: str | None = None
        for _ in range(MOST_PAGES):
            cursor = {"after": after} if after else {}
            page = await self.call("GET", path, token, params=params | {"limit": str(PAGE)} | cursor)
            items = page.get("data")
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict):
                    yield item
            after = _next(page)
            if after is None:
                return
        raise GraphUnavailable(f"more than {MOST_PAGES} pages")

    async def call(
        self, method: str, path: str, token: str, *, params: dict[str, str] | None = None, body: Json | None = None
    ) -> Json:
        """Make one call and return its answer's body; an empty token sends none (calls with an app's secret)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with (
                asyncio.timeout(self._call_within),
                self._client.stream(method, self._base + path, params=params, json=body, headers=headers) as answer,
            ):
                raw = await read_whole(answer)
        except (httpx.TimeoutException, TimeoutError):
            raise GraphUnavailable("Graph did not answer in time", slow=True) from None
        except httpx.HTTPError:
            raise GraphUnavailable("Graph could not be reached") from None
        return read_answer(answer.status_code, raw)


async def read_whole(answer: httpx.Response) -> bytes:
    """Read an answer, bounded; raises GraphUnavailable past the bound."""
    raw = bytearray()
    async for chunk in answer.aiter_bytes():
        raw += chunk
        if len(raw) > ANSWER_LIMIT:
            raise GraphUnavailable("Graph's answer is too large")
    return bytes(raw)


def _next(page: Json) -> str | None:
    """Return the cursor of the next page, None where this is the last (it has a cursor too, but no `next`)."""
    paging = page.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(paging, dict) and paging.get("next") and isinstance(after, str) and after else None


def read_answer(status: int, raw: bytes) -> Json:
    """Read the body of an answer; raises GraphRefused and GraphUnavailable."""
    try:
        body = json.loads(raw)
        if _ESCAPED.search(raw):  # half surrogates: JSON lets them through, no store takes them
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        body = None
    if status == 200 and isinstance(body, dict):
        return body
    if (error := read_error(body, status)) is not None:
        raise GraphRefused(error)
    raise GraphUnavailable(f"Graph answered {status} without a body of its own")
