"""A tenant with a live account and a sandbox's: one thing of every kind of each, and keys of both modes."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.support.belongings import Call, belongings
from tests.support.running import Stack, until
from tests.support.shared_stack import ALL_SCOPES, new_key

ADMIN = "whatsapp:admin"


@dataclass(frozen=True)
class Worlds:
    """What the tenant has: a dictionary as of `belongings` of each account, and its keys by mode."""

    stack: Stack
    live: dict[str, str]
    sandbox: dict[str, str]
    keys: dict[str, str]

    def call(self, mode: str, call: Call, path: str | None = None, body: Any = None) -> httpx.Response:
        """Make a call with the key of a mode that has its scope."""
        return self.stack.call(call.method, path or call.path, body, key=self.key(mode, call.scope))

    def key(self, mode: str, scope: str = "") -> str:
        """Return a key of a mode."""
        return self.keys[f"{mode} admin" if scope == ADMIN else mode]

    def seen(self, answer: httpx.Response) -> list[str]:
        """Return what an answer shows of the live account's."""
        return [name for name, value in self.live.items() if value in answer.text]


@pytest.fixture(scope="session")
def worlds(stack: Stack, person: Callable[[], str]) -> Worlds:
    """Both accounts are simulated; the one is then marked as one of the real Meta's."""
    tenant = json.loads(stack.cli("tenants", "create", "--name", "Two worlds", "--json"))["id"]
    made = {mode: new_key(stack, ALL_SCOPES, tenant, mode) for mode in ("live", "test")}
    admins = {mode: new_key(stack, ADMIN, tenant, mode)["key"] for mode in made}
    keys = {mode: key["key"] for mode, key in made.items()} | {f"{mode} admin": key for mode, key in admins.items()}
    things: dict[str, dict[str, str]] = {}
    for mode in ("live", "test"):
        acting = copy.copy(stack)
        acting.info = stack.info | {"api_key": keys[mode], "admin_key": admins["live"], "tenant": tenant}
        who = person()
        things[mode] = belongings(acting, who) | {"key_id": made[mode]["id"], "who": f"+{who}"}
        account = acting.call("GET", f"/accounts/{things[mode]['waba_id']}").json()["id"]
        things[mode]["account_id"] = account
        if mode == "live":
            mark_as_live(stack, things[mode])
            body = {"to": f"+{who}"}
            assert acting.call("POST", "/opt_outs", body).status_code == 201
    text = {"phone_number_id": things["live"]["phone_id"], "to": "+15550001234", "text": "x"}
    until(  # edge keeps for five seconds that it was a sandbox's
        lambda: stack.call("POST", "/messages", text, key=keys["test"]).status_code == 404, "it is known as live", 10
    )
    return Worlds(stack, things["live"], things["test"], keys)


def mark_as_live(stack: Stack, things: dict[str, str]) -> None:
    """Make an account one that the real Meta has, as far as we know."""
    client: MongoClient[dict[str, Any]] = MongoClient(stack.info["mongo"])
    with client:
        database = client[stack.info["mongo_database"]]
        done = database.accounts.update_one({"waba_id": things["waba_id"]}, {"$set": {"sandbox": False}})
        assert done.modified_count == 1
        database.onboardings.update_one({"_id": things["onboarding_id"]}, {"$set": {"sandbox": False}})
