"""Which calls are in the audit log, under which action, and which are not, and why: every call of the API is here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audited:
    """An action, the kind of thing it is done to, and which parameter of the path names it.

    Where the path names none, `made` is the field of the answer that does.
    """

    action: str
    kind: str
    named: str | None = None
    made: str = "id"


def _on(kind: str, named: str | None, actions: dict[str, str], made: str = "id") -> dict[str, Audited]:
    return {call: Audited(f"{kind}.{verb}", kind, named, made) for call, verb in actions.items()}


_NUMBER, _ENDPOINT = "POST /phone_numbers/{phone_id}", "/webhook_endpoints"

AUDITED: dict[str, Audited] = {
    **_on("key", None, {"POST /keys": "create", "POST /internal/keys": "create"}),
    **_on("key", "key_id", {
        f"POST {where}/{{key_id}}/{verb}": verb for where in ("/keys", "/internal/keys") for verb in ("roll", "revoke")
    }),
    **_on("tenant", None, {"POST /internal/tenants": "create"}),
    **_on("account", None, {"POST /onboarding/manual": "connect", "POST /onboarding/exchange": "connect"}, "waba_id"),
    **_on("account", "waba_id", {"DELETE /accounts/{waba_id}": "disconnect"}),
    **_on("number", "phone_id", {
        f"{_NUMBER}/link-bot": "link_bot", f"{_NUMBER}/autoreply": "autoreply", f"{_NUMBER}/two_step_pin": "set_pin",
        f"{_NUMBER}/register": "register", f"{_NUMBER}/deregister": "deregister",
        f"{_NUMBER}/request_code": "request_code", f"{_NUMBER}/verify_code": "verify_code",
        f"{_NUMBER}/blocked_users": "block_users", "PATCH /phone_numbers/{phone_id}/profile": "change_profile",
        "DELETE /phone_numbers/{phone_id}/blocked_users/{user}": "unblock_user",
    }),
    **_on("webhook_endpoint", None, {f"POST {_ENDPOINT}": "create"}),
    **_on("webhook_endpoint", "endpoint_id", {
        f"PATCH {_ENDPOINT}/{{endpoint_id}}": "change", f"DELETE {_ENDPOINT}/{{endpoint_id}}": "delete",
        f"POST {_ENDPOINT}/{{endpoint_id}}/rotate_secret": "rotate_secret",
    }),
    **_on("bot", None, {"POST /bots": "create"}),
    **_on("bot", "bot_id", {
        "PATCH /bots/{bot_id}": "change", "DELETE /bots/{bot_id}": "delete",
        "POST /bots/{bot_id}/rotate_secret": "rotate_secret",
    }),
    **_on("settings", None, {"PUT /settings/opt_out_words": "change_opt_out_words"}),
    **_on("dead_letter", None, {
        f"POST {where}/dead_letters/{verb}": f"{verb}_many"
        for where in ("", "/internal")
        for verb in ("replay", "discard")
    }),
    **_on("dead_letter", "dead_letter_id", {
        f"POST {where}/dead_letters/{{dead_letter_id}}/{verb}": verb
        for where in ("", "/internal")
        for verb in ("replay", "discard")
    }),
    **_on("contact", "contact_id", {"DELETE /contacts/{contact_id}": "erase"}),
    **_on("contact", None, {"DELETE /contacts": "erase"}),
}  # fmt: skip

MESSAGE = "the message itself is the record"
CONSENT = "the consent log has it, with who asked"
CAMPAIGN = "the campaign keeps its own history"
TEMPLATE = "the template keeps its own history, and Meta decides"

NOT_AUDITED: dict[str, str] = {
    **dict.fromkeys(
        (
            "POST /messages", "POST /messages/bulk", "POST /messages/contacts", "POST /messages/interactive",
            "POST /messages/location", "POST /messages/media", "POST /messages/reaction", "POST /messages/template",
            "POST /messages/{message_id}/cancel", "POST /messages/{message_id}/read",
        ),
        MESSAGE,
    ),
    **dict.fromkeys(("POST /media", "DELETE /media/{media_id}"), "a file at Meta, for thirty days"),
    **dict.fromkeys(("POST /opt_outs", "DELETE /opt_outs/{contact_id}"), CONSENT),
    **dict.fromkeys(
        (
            "POST /campaigns", "PATCH /campaigns/{campaign_id}", "DELETE /campaigns/{campaign_id}",
            *(f"POST /campaigns/{{campaign_id}}/{verb}" for verb in (
                "launch", "pause", "resume", "cancel", "retry", "recipients",
            )),
        ),
        CAMPAIGN,
    ),
    **dict.fromkeys(
        (
            "POST /templates", "DELETE /templates", "POST /templates/media", "POST /templates/sync",
            "PATCH /templates/{template_id}", "DELETE /templates/{template_id}",
        ),
        TEMPLATE,
    ),
    **dict.fromkeys(
        ("POST /conversations/{conversation_id}/handover", "DELETE /conversations/{conversation_id}/handover"),
        "everyday work of agents; the conversation tells it",
    ),
    **dict.fromkeys(
        (
            f"POST {_ENDPOINT}/{{endpoint_id}}/test", f"POST {_ENDPOINT}/{{endpoint_id}}/replay",
            f"POST {_ENDPOINT}/{{endpoint_id}}/deliveries/{{delivery_id}}/replay",
        ),
        "sends again what is stored; the delivery log has it",
    ),
    "POST /phone_numbers/{phone_id}/refresh": "only reads from Meta",
}  # fmt: skip

ACTIONS = tuple(sorted({each.action for each in AUDITED.values()} | {
    f"{kind}.{verb}" for kind in ("account", "number") for verb in ("stop", "update")  # by Meta
}))  # fmt: skip


def _compiled(table: Iterable[tuple[str, Audited]]) -> dict[str, list[tuple[re.Pattern[str], Audited]]]:
    found: dict[str, list[tuple[re.Pattern[str], Audited]]] = {}
    for call, audited in table:
        method, _, path = call.partition(" ")
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        # A path without parameters comes first: `/dead_letters/replay` is no dead letter.
        found.setdefault(method, []).insert(
            0 if "{" not in path else len(found[method]), (re.compile(pattern), audited)
        )
    return found


_PATTERNS = _compiled(AUDITED.items())


def audited(method: str, path: str) -> tuple[Audited, str | None] | None:
    """Return what a call is in the log, and the id that its path names; None where it is not in it.

    `path` begins after the API's base, or with `/internal`.
    """
    for pattern, found in _PATTERNS.get(method, ()):
        if (match := pattern.fullmatch(path)) is not None:
            return found, match[found.named] if found.named else None
    return None
