"""The demo's story: what a business and its customer do, through the public API, each step checked as it happens."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from libs.runtime.ids import new_id
from services.console.http_calls import Answer, Calls, refusal
from services.console.receiver import Receiver
from services.console.telling import Teller

T = TypeVar("T")

SOON = 30.0  # seconds for something that takes tenths of one on a free machine
PAGE = 100  # rows of a list at once, the API's most
LOOK_EVERY = 0.1  # seconds between looks
ANN = "15551230001"  # a customer of the sandbox's without any quirk
BEN = "15551230002"  # another one, who never wrote
STOPPER = "15551239999"  # somebody who wants no marketing; this news is about their order, so they get it
NOBODY = "15550100002"  # the sandbox's number that is not on WhatsApp
SHIPPED = "order_shipped"
ARRIVED = ("delivered", "read")


class Story:
    """Plays against a running stack: `api` with a key, `sandbox` for what Meta and its users do."""

    def __init__(self, api: Calls, sandbox: Calls, hook: Calls, receiver: Receiver, tell: Teller) -> None:
        self._api = api
        self._sandbox = sandbox
        self._hook = hook
        self._receiver = receiver
        self._tell = tell
        self._key = f"demo-{new_id()}"
        self._number = ""
        self._waba = ""

    def play(self) -> None:
        """Tell it from the first chapter to the last."""
        self._connect()
        self._webhook_endpoint()
        self._refused_outside_the_window()
        self._customer_writes()
        self._text_goes_round()
        self._same_again()
        self._template()
        self._not_on_whatsapp()
        self._forged_webhook()
        self._bot_answers()
        self._campaign()
        self._figures()
        self._customer_was_told()

    # -- chapters

    def _connect(self) -> None:
        self._tell.chapter("A WhatsApp Business Account is connected")
        made = self._sandbox.do("POST", "/accounts", {})
        self._waba, self._number = made["waba_id"], made["phone_numbers"][0]["phone_number_id"]
        body = {"waba_id": self._waba, "phone_number_id": self._number, "access_token": made["access_token"]}
        answer = self._api.ask("POST", "/onboarding/manual", body)
        self._tell.check("credentials checked at Meta, token stored encrypted", answer.status == 201, answer.body)
        self._listed("/accounts", "waba_id", self._waba)
        self._listed("/phone_numbers", "phone_number_id", self._number)

    def _webhook_endpoint(self) -> None:
        self._tell.chapter("The business wants to be told: a webhook endpoint on its own server")
        body = {"url": self._receiver.url, "events": ["message.*"], "phone_number_ids": [self._number]}
        answer = self._api.ask("POST", "/webhook_endpoints", body)
        self._tell.check("201, with a secret that is shown this once", answer.status == 201, answer.body)
        self._endpoint, self._receiver.secret = answer.body["id"], answer.body["secret"]
        wrong = self._api.ask("POST", "/webhook_endpoints", body | {"url": "https://169.254.169.254/latest"})
        self._tell.quote(refusal(wrong))
        self._tell.check("an address inside our network is refused", wrong.status == 422, wrong.body)

    def _refused_outside_the_window(self) -> None:
        self._tell.chapter("Nobody wrote yet: a free-form text is refused")
        answer = self._text(ANN, "Hello Ann!")
        self._tell.quote(refusal(answer))
        code = _error_code(answer)
        self._tell.check("422 outside_customer_window", (answer.status, code) == (422, "outside_customer_window"), code)

    def _customer_writes(self) -> None:
        self._tell.chapter("Ann writes first, which opens her 24 hours")
        self._writes(ANN, "Is my order on its way?")
        path = f"/messages?direction=inbound&phone_number_id={self._number}"
        inbound = self._until(lambda: self._api.do("GET", path)["data"], bool)
        self._tell.check("Meta's signed webhook came in, her message is in the API", bool(inbound), inbound)
        if inbound:
            self._tell.quote(f"{inbound[0]['profile_name']}: {inbound[0]['content']['body']}")

    def _text_goes_round(self) -> None:
        self._tell.chapter("Now the text goes out, and its statuses come back")
        answer = self._text(ANN, "Hello Ann, yes it is!", Idempotency_Key=self._key)
        self._tell.check("202 queued", answer.status == 202, answer.body)
        self._first = answer.body
        message = self._followed(answer.body["id"])
        self._tell.history(message["history"])
        self._tell.check("delivered", message["status"] in ARRIVED, message["status"])
        self._tell.check("Meta saw it once", self._sent(message["id"]) == 1, self._sent(message["id"]))

    def _same_again(self) -> None:
        self._tell.chapter("The same call again, as a client does after a time-out")
        again = self._text(ANN, "Hello Ann, yes it is!", Idempotency_Key=self._key)
        self._tell.check("the first answer again", again.body == self._first, again.body)
        replayed = again.headers.get("Idempotent-Replayed")
        self._tell.check(
            "marked as a replay, sent once", (replayed, self._sent(self._first["id"])) == ("true", 1), replayed
        )
        other = self._text(ANN, "Something else", Idempotency_Key=self._key)
        self._tell.quote(refusal(other))
        self._tell.check("another body under that key is refused", _error_code(other) == "idempotency_key_reused")

    def _template(self) -> None:
        self._tell.chapter("Ben never wrote: he gets an approved template")
        body = {"type": "BODY", "text": "Hi {{1}}, your order is on its way.", "example": {"body_text": [["Ann"]]}}
        template = {"waba_id": self._waba, "name": SHIPPED, "language": "en_US", "category": "UTILITY"}
        self._sandbox.do("POST", "/templates", template | {"components": [body]})
        answer = self._api.ask("POST", "/templates/sync", {})
        self._tell.check("202, a sync of the templates began", answer.status == 202, answer.body)
        names = self._until(self._template_names, lambda names: SHIPPED in names)
        self._tell.check("synced from Meta: " + ", ".join(names), SHIPPED in names, names)
        wrong = self._send_template(BEN, [])
        self._tell.quote(refusal(wrong))
        self._tell.check("without its parameter it is refused before it is queued", wrong.status == 422, wrong.body)
        message = self._followed(self._send_template(BEN, ["Ben"]).body["id"])
        self._tell.history(message["history"])
        self._tell.check("delivered", message["status"] in ARRIVED, message["status"])

    def _not_on_whatsapp(self) -> None:
        self._tell.chapter("A number that is not on WhatsApp")
        message = self._followed(self._send_template(NOBODY, ["Nobody"]).body["id"])
        self._tell.history(message["history"])
        error = message.get("error") or {}
        self._tell.quote(str(error.get("message")))
        code = (error.get("meta") or {}).get("code")
        self._tell.check("failed, with Meta's own code 131026", (message["status"], code) == ("failed", 131026), error)

    def _forged_webhook(self) -> None:
        self._tell.chapter("Somebody forges a webhook")
        body = {"object": "whatsapp_business_account", "entry": []}
        answer = self._hook.ask("POST", "/webhooks/whatsapp", body, X_Hub_Signature_256="sha256=" + "0" * 64)
        self._tell.check("401, nothing is parsed", answer.status == 401, answer.status)

    def _bot_answers(self) -> None:
        self._tell.chapter("A bot answers what it has a rule for, and a person the rest")
        hours = {
            "match": {"type": "keyword", "value": "hours"},
            "answer": {"type": "text", "text": "{{name}}, 9 to 5."},
        }
        person = {"match": {"type": "keyword", "value": "agent"}, "handover": True}
        bot = self._api.ask("POST", "/bots", {"name": "Desk", "kind": "rules", "rules": [hours, person]})
        self._tell.check("201, a bot with two rules", bot.status == 201, bot.body)
        at = f"/phone_numbers/{self._number}"
        linked = self._api.ask("POST", f"{at}/link-bot", {"bot_id": bot.body["id"]})
        switched = self._api.ask("POST", f"{at}/autoreply", {"enabled": True})
        self._tell.check("linked and switched on", (linked.status, switched.status) == (200, 200), switched.body)
        self._writes(ANN, "What are your hours?")
        said = self._until(lambda: self._said_to(ANN), lambda texts: "Ann, 9 to 5." in texts)
        self._tell.quote(said[-1])
        self._tell.check("Ann has her answer, once", said.count("Ann, 9 to 5.") == 1, said)
        self._writes(ANN, "agent, please")
        path = f"/bots/{bot.body['id']}/decisions"
        rows = self._until(lambda: self._api.do("GET", path)["data"], lambda rows: any(it["handover"] for it in rows))
        self._tell.check("handed over to a person", any(row["handover"] for row in rows), rows)
        off = self._api.ask("POST", f"{at}/autoreply", {"enabled": False})
        self._tell.check("switched off", off.body.get("autoreply") is False, off.body)

    def _campaign(self) -> None:
        self._tell.chapter("A campaign: the same news to many, everybody once")
        self._sandbox.do("POST", "/inbound", {"phone_number_id": self._number, "from": STOPPER, "type": "text",
                                              "text": {"body": "STOP"}})  # fmt: skip
        self._until(lambda: self._api.do("GET", "/opt_outs")["data"], bool)
        body = {"name": "On its way", "template": SHIPPED, "phone_number_id": self._number}
        campaign = self._api.do("POST", "/campaigns", body)["id"]
        people = [*(f"+1555124{place:04d}" for place in range(25)), f"+{STOPPER}", "+1 555-124-0000", "nobody at all"]
        words = [{"type": "body", "parameters": [{"type": "text", "text": "friend"}]}]
        rows = [{"to": each, "components": words} for each in people]
        report = self._api.do("POST", f"/campaigns/{campaign}/recipients", {"recipients": rows})
        told = f"{report['added']} added, {report['duplicates']} duplicate, {report['invalid']} invalid"
        self._tell.check(told, (report["added"], report["duplicates"], report["invalid"]) == (26, 1, 1), report)
        before = self._sandbox.do("GET", "/sends?limit=1000")["data"]
        launched = self._api.ask("POST", f"/campaigns/{campaign}/launch", {})
        self._tell.check("202, launched", launched.status == 202, launched.body)
        again = self._api.ask("POST", f"/campaigns/{campaign}/launch", {})
        self._tell.check("a second launch is refused", again.status == 409, again.body)
        done = self._until(
            lambda: self._api.do("GET", f"/campaigns/{campaign}/progress"),
            lambda it: it["status"] == "completed" and it["funnel"]["delivered"] == it["recipients"],
        )
        self._tell.quote(", ".join(f"{number} {state}" for state, number in done["counts"].items() if number))
        self._tell.check("it completed", done["status"] == "completed", done)
        sent = [row["to"] for row in self._sandbox.do("GET", "/sends?limit=1000")["data"][len(before) :]]
        self._tell.check("Meta saw each of them once", len(sent) == len(set(sent)) == 26, sent)

    def _figures(self) -> None:
        self._tell.chapter("What happened, and what it cost")
        path = f"phone_number_id={self._number}"
        funnel = self._until(lambda: self._api.do("GET", f"/analytics/funnel?{path}"), lambda it: it["delivered"] >= 28)
        self._tell.quote(
            ", ".join(f"{funnel[name]} {name}" for name in ("sent", "delivered", "read", "replied", "failed"))
        )
        steps = [funnel[name] for name in ("accepted", "sent", "delivered", "read")]
        self._tell.check("each stage has at most those of the one before", steps == sorted(steps)[::-1], steps)
        self._tell.check("the one to nobody failed", funnel["failed"] == 1, funnel)
        costs = self._until(lambda: self._api.do("GET", f"/analytics/costs?{path}"), lambda it: bool(it["totals"]))
        for row in costs["data"]:
            amount = f"{row['amount']} {row['currency'] or '(free)'}" if row["amount"] is not None else "not told yet"
            self._tell.quote(f"{row['messages']} {row['category'] or 'of a price'}: {amount}")
        self._tell.check("costs by category, with their rate card", bool(costs["data"]), costs)

    def _customer_was_told(self) -> None:
        self._tell.chapter("And the business's server was told of all of it")
        wanted = {"message.received", "message.accepted", "message.sent", "message.delivered", "message.failed"}
        heard = self._until(self._receiver.heard, lambda events: wanted <= {event["type"] for event in events})
        kinds = [event["type"] for event in heard]
        self._tell.quote(", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))))
        self._tell.check("each kind of event came", wanted <= set(kinds), kinds)
        self._tell.check("each signature was checked and right", not self._receiver.unsigned, self._receiver.unsigned)
        ids = [event["id"] for event in heard]
        self._tell.check("each event came once", len(ids) == len(set(ids)), ids)
        shown = min(len(heard), PAGE)
        rows = self._until(lambda: self._deliveries("delivered"), lambda rows: len(rows) >= shown)
        self._tell.check("the log shows them as delivered", len(rows) >= shown, rows)
        gone = self._api.ask("DELETE", f"/webhook_endpoints/{self._endpoint}")
        self._tell.check("the endpoint is deleted", gone.status == 204, gone.body)

    # -- what chapters share

    def _deliveries(self, status: str) -> list[dict[str, Any]]:
        path = f"/webhook_endpoints/{self._endpoint}/deliveries?limit={PAGE}&status={status}"
        rows: list[dict[str, Any]] = self._api.do("GET", path)["data"]
        return rows

    def _writes(self, who: str, text: str) -> None:
        message = {"phone_number_id": self._number, "from": who, "name": "Ann", "type": "text"}
        self._sandbox.do("POST", "/inbound", message | {"text": {"body": text}})

    def _said_to(self, who: str) -> list[str]:
        rows = self._sandbox.do("GET", "/sends?limit=1000")["data"]
        return [row["body"]["text"]["body"] for row in rows if row["to"] == who and row["type"] == "text"]

    def _text(self, to: str, text: str, **headers: str) -> Answer:
        body = {"phone_number_id": self._number, "to": f"+{to}", "text": text}
        return self._api.ask("POST", "/messages", body, **headers)

    def _send_template(self, to: str, values: list[str]) -> Answer:
        parameters = [{"type": "text", "text": value} for value in values]
        components = [{"type": "body", "parameters": parameters}] if values else []
        body = {"phone_number_id": self._number, "to": f"+{to}", "template": SHIPPED, "language": "en_US"}
        return self._api.ask("POST", "/messages/template", body | {"components": components})

    def _followed(self, message_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            message: dict[str, Any] = self._api.do("GET", f"/messages/{message_id}")
            return message

        return self._until(look, lambda message: message["status"] in (*ARRIVED, "failed"))

    def _template_names(self) -> list[str]:
        rows = self._api.do("GET", "/templates?limit=100")["data"]
        return [row["name"] for row in rows if row["waba_id"] == self._waba]

    def _sent(self, message_id: str) -> int:
        rows = self._sandbox.do("GET", "/sends?limit=1000")["data"]
        return sum(row["biz_opaque_callback_data"] == message_id for row in rows)

    def _listed(self, path: str, field: str, value: str) -> None:
        rows = self._api.do("GET", path)["data"]
        self._tell.check(f"GET {path} lists it", value in [row[field] for row in rows], rows)

    def _until(self, look: Callable[[], T], good: Callable[[T], bool]) -> T:
        deadline = time.monotonic() + SOON
        while not good(seen := look()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        return seen


def _error_code(answer: Answer) -> str | None:
    return answer.body.get("error", {}).get("code") if isinstance(answer.body, dict) else None
