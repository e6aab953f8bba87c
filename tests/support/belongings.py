"""Every call of the served document, and one thing of every kind that a tenant can have, to try them with."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.message_kinds import stored_templates
from tests.support.poison import OURS, spoil
from tests.support.running import API, Number, Stack
from tests.support.shared_stack import greet, install

UNKNOWN = "019ab0c2-0000-7000-8000-00000000dead"
NOWHERE = "http://127.0.0.1:9/"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 300
TEMPLATE = stored_templates()[0]

# What a call needs in its body before it looks at the id in its path, by the end of the path; {} where it is not here.
BODIES: dict[str, dict[str, Any]] = {
    "verify_code": {"code": "123456"},
    "link-bot": {"bot_id": None},
    "autoreply": {"enabled": True},
    "PATCH bots/{bot_id}": {"name": "mine"},
    "bots/{bot_id}/rotate_secret": {},
    "two_step_pin": {"pin": "123456"},
    "blocked_users": {"users": ["+15550001234"]},
    "replay": {"since": "2026-01-01T00:00:00Z"},
    "deliveries/{delivery_id}/replay": {},
    "dead_letters/{dead_letter_id}/replay": {},
    "PATCH campaigns/{campaign_id}": {"name": "mine"},
    "campaigns/{campaign_id}/recipients": {"recipients": []},
    "PATCH templates/{template_id}": {"components": [{"type": "BODY", "text": "Other words"}]},
    "PATCH webhook_endpoints/{endpoint_id}": {"description": "mine"},
    "PATCH phone_numbers/{phone_id}/profile": {"about": "mine"},
}


@dataclass(frozen=True)
class Call:
    """A call as the document names it."""

    method: str
    path: str
    scope: str
    query: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return re.findall(r"{([^}]*)}", self.path)

    @property
    def body(self) -> dict[str, Any] | None:
        if self.method in ("GET", "DELETE"):
            return None
        ends = [end for end in BODIES if f"{self.method} {self.path}".replace(" /", " ").endswith(end)]
        return BODIES[max(ends, key=len)] if ends else {}

    def at(self, ids: dict[str, str]) -> str:
        """Return the path with ids in it; AssertionError for a parameter that no id is known for."""
        unknown = [name for name in self.names if name not in ids]
        assert not unknown, f"{self.method} {self.path}: say in `belongings` what {unknown} is an id of"
        return re.sub(r"{([^}]*)}", lambda found: ids[found[1]], self.path)


def calls_of(stack: Stack) -> list[Call]:
    """Return every call of the document."""
    paths = stack.http.get(stack.info["edge"] + "/openapi.json").json()["paths"]
    return [
        Call(
            method.upper(), path.removeprefix(API), call["x-scope"],
            tuple(each["name"] for each in call["parameters"] if each["in"] == "query"),
        )
        for path, methods in paths.items()
        for method, call in methods.items()
        if path.startswith(API)
    ]  # fmt: skip


def belongings(stack: Stack, who: str) -> dict[str, str]:
    """Make one thing of every kind with a stack's keys, all of one account and person; -> ids by path parameter."""
    made = stack.box("POST", "/accounts", {})
    phone = made["phone_numbers"][0]["phone_number_id"]
    signed_up = stack.call("POST", "/onboarding/exchange", {"code": made["code"], "phone_number_id": phone}).json()
    number = Number(stack, made["waba_id"], phone, made)
    greet(number, who)
    heard = stack.call("GET", f"/messages?direction=inbound&phone_number_id={phone}").json()["data"][0]
    outbound = number.send(who).json()["id"]
    number.reaches(outbound)
    install(stack, number, TEMPLATE)
    template = stack.call("GET", f"/templates?waba_id={made['waba_id']}").json()["data"][0]["id"]
    job = stack.call("POST", "/templates/sync", {"waba_id": made["waba_id"]}).json()["id"]
    media = stack.http.post(
        stack.info["edge"] + API + "/media", files={"file": ("a.png", PNG, "image/png")},
        data={"phone_number_id": phone}, headers={"Authorization": f"Bearer {stack.key}"},
    ).json()["media_id"]  # fmt: skip
    hook = stack.call("POST", "/webhook_endpoints", {"url": NOWHERE, "events": ["*"]}).json()["id"]
    delivery = stack.call("POST", f"/webhook_endpoints/{hook}/test").json()["id"]
    assert stack.call("PATCH", f"/webhook_endpoints/{hook}", {"status": "disabled"}).status_code == 200
    return {
        "message_id": heard["id"], "outbound": outbound, "template_id": template, "job_id": job, "media_id": media,
        "waba_id": made["waba_id"], "phone_id": phone, "onboarding_id": signed_up["onboarding_id"],
        "endpoint_id": hook, "delivery_id": delivery, "user": who, "access_token": made["access_token"],
        "contact_id": heard["contact_id"], "conversation_id": heard["conversation_id"],
        "dead_letter_id": dead_letter(stack), "bot_id": bot(stack), **campaign(stack, number),
    }  # fmt: skip


def bot(stack: Stack) -> str:
    """Return the id of a bot of the stack's own tenant."""
    rule = {"match": {"type": "any"}, "answer": {"type": "text", "text": "mine"}}
    return str(stack.call("POST", "/bots", {"name": "mine", "kind": "rules", "rules": [rule]}).json()["id"])


def campaign(stack: Stack, number: Number) -> dict[str, str]:
    """Return the id of a draft of the stack's own tenant, and that of its import."""
    body = {"name": "mine", "template": TEMPLATE["name"], "phone_number_id": number.id}
    made = stack.call("POST", "/campaigns", body)
    assert made.status_code == 201, made.text
    path = f"/campaigns/{made.json()['id']}/recipients"
    report = stack.call("POST", path, raw=b"to\n+4915112345678\n", headers={"Content-Type": "text/csv"})
    return {"campaign_id": made.json()["id"], "import_id": report.json()["import_id"]}


def dead_letter(stack: Stack) -> str:
    """Return the id of a dead letter of the stack's own tenant."""
    spoil(stack, stack.info["tenant"], b"not json")
    rows = stack.call("GET", f"/dead_letters?topic={OURS}&limit=1", key=stack.info["admin_key"]).json()["data"]
    return str(rows[0]["id"])


def said(answer: httpx.Response) -> Any:
    """Return what an answer says, the request's id aside."""
    body = answer.json()
    del body["error"]["request_id"]
    return body


def unknown(ids: dict[str, str]) -> dict[str, str]:
    """Return ids of the same forms that nobody has."""
    return {name: "9" * 15 if value.isdigit() else UNKNOWN for name, value in ids.items()}


def counted(answer: httpx.Response) -> list[Any]:
    """Return whatever an answer of analytics counts."""
    if "json" not in answer.headers["content-type"]:
        return answer.text.splitlines()[1:]
    said = answer.json()
    rows = [said, *said.get("data", ())]
    return [number for row in rows for number in row.values() if isinstance(number, int) and number]
