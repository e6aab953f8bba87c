"""A busy and bad day in a minute, through the public API and Meta's side: all that a dashboard has a panel for."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from libs.events.topics import CAMPAIGNS_COMMANDS
from tests.support import meta_bodies as meta
from tests.support.campaigns import STORED, becomes, launched
from tests.support.model import Model
from tests.support.poison import spoil
from tests.support.receiver import Receiver, new_customer
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import install
from tests.support.topics import envelope, produce

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
NOT_ON_WHATSAPP = "15550100002"
PATIENCE = 60.0  # seconds for anything: a dozen stories are told at once
_people = count(1)


def people(number: int) -> list[str]:
    """Return digits of Germans whom nobody has met: Meta delivers marketing to them."""
    return [f"4915200{next(_people):06d}" for _ in range(number)]


class Day:
    """One day of a stack: `play` does everything once."""

    def __init__(self, stack: Stack, receiver: Receiver, model: Model) -> None:
        self.stack, self._receiver, self._model = stack, receiver, model

    def play(self) -> None:
        """Play it; returns once all of it has come to its end.

        Everything happens twice: a series that appears with its first event grows only by the second one.
        """
        self._shop = self.stack.connect(throughput=1000, messaging_limit="UNLIMITED")
        install(self.stack, self._shop, *STORED)
        self._throttled, self._lossy = self.stack.connect(throughput=80), self.stack.connect(throughput=1000)
        for _ in range(2):
            self._stories_at_once()
            self._dead_letter()
            self._mongodb_away()

    def _stories_at_once(self) -> None:
        stories = (
            self._customer, self._bots, self._messages_and_refusals, self._lost_answers, self._throttles,
            self._campaign, self._campaign_that_pauses, self._strange_webhooks, self._commands, self._media,
            self._accounts_in_trouble,
        )  # fmt: skip
        with ThreadPoolExecutor() as pool:
            for told in [pool.submit(story) for story in stories]:
                told.result()

    # -- what goes well

    def _customer(self) -> None:
        """A customer with two endpoints, one of which fails."""
        customer = new_customer(self.stack, self._receiver, "Customer")
        self._receiver.answers["/bad"] = [500]
        customer.listens("/good")
        customer.listens("/bad")
        [who] = people(1)
        before = len(self._receiver.of("/good", "message.received"))
        customer.number.hears(who)
        self._receiver.waits("/good", before + 1, "message.received", seconds=PATIENCE)
        until(lambda: self._receiver.hits["/bad"], "the other one is tried", PATIENCE)

    def _bots(self) -> None:
        """One number is answered by rules, another one by a model."""
        hello = {"match": {"type": "keyword", "value": "hello"}, "answer": {"type": "text", "text": "Hi"}}
        asked = {"url": self._model.url("echo"), "name": "tiny", "key": "sk-0123456789", "system_prompt": "Be brief."}
        for kind, more in (("rules", {"rules": [hello]}), ("model", {"model": asked, "wait_for_more": 0})):
            number = self.stack.connect(throughput=1000)
            body = {"name": kind, "kind": kind} | more
            bot = self._does("POST", "/bots", body, 201)
            self._does("POST", f"/phone_numbers/{number.id}/link-bot", {"bot_id": bot["id"]})
            self._does("POST", f"/phone_numbers/{number.id}/autoreply", {"enabled": True})
            [who] = people(1)
            number.hears(who, "hello")
            until(lambda who=who: self._sent_to(who), f"the {kind} bot answers", PATIENCE)  # type: ignore[misc]

    def _media(self) -> None:
        """A file goes up and comes back."""
        files = {"file": ("a.png", PNG, "image/png")}
        sent = {"Authorization": f"Bearer {self.stack.key}"}
        url = f"{self.stack.info['edge']}{API}/media"
        answer = httpx.post(
            url, files=files, data={"phone_number_id": self._shop.id}, headers=sent, trust_env=False, timeout=20
        )
        assert answer.status_code == 201, answer.text
        back = httpx.get(f"{url}/{answer.json()['media_id']}", headers=sent, trust_env=False, timeout=20)
        assert back.status_code == 200, back.text

    def _campaign(self) -> None:
        """A campaign reaches everybody."""
        campaign_id = launched(self._shop, people(60))
        becomes(self.stack, campaign_id, "completed", PATIENCE)

    # -- what Meta refuses

    def _messages_and_refusals(self) -> None:
        """Texts and templates: most arrive, one number is not on WhatsApp, some requests are wrong or too many."""
        number = self.stack.connect(throughput=1000, messaging_limit="UNLIMITED")
        install(self.stack, number, *STORED)
        who = people(20)
        self._greeted(number, *who)
        for code, person in zip((100, 131000, 131056, 132001), who, strict=False):
            self.stack.box("POST", "/faults", {"kind": "error", "code": code, "to": person, "count": 1})
        ids = [number.send(person).json()["id"] for person in who]
        ids += [self._template(number, person) for person in (*people(20), NOT_ON_WHATSAPP)]
        for message_id in ids:
            number.reaches(message_id, "delivered", "read", "failed", seconds=PATIENCE)
        number.hears(who[0], "STOP")
        self.stack.box("POST", "/inbound", {"phone_number_id": number.id, "from": who[1], "type": "text",
                                            "text": {"body": "a reply"}})  # fmt: skip

    def _throttles(self) -> None:
        """Meta finds a number too fast for a while."""
        number, who = self._throttled, people(10)
        self._greeted(number, *who)
        fault = {"kind": "error", "code": 130429, "phone_number_id": number.id, "count": 8}
        self.stack.box("POST", "/faults", fault)
        for message_id in [number.send(person).json()["id"] for person in who]:
            number.reaches(message_id, seconds=PATIENCE)

    def _lost_answers(self) -> None:
        """Of some messages nobody hears whether Meta took them, until webhooks tell that come later than usual."""
        number, who = self._lossy, people(6)
        self._greeted(number, *who)
        self.stack.box("POST", "/faults", {"kind": "accept_then_reset", "phone_number_id": number.id, "count": 3})
        self.stack.box("POST", "/faults", {"kind": "webhooks_late", "seconds": 8, "phone_number_id": number.id})
        for message_id in [number.send(person).json()["id"] for person in who]:
            number.reaches(message_id, seconds=PATIENCE)

    def _campaign_that_pauses(self) -> None:
        """Meta pauses the template of a campaign under way; two commands about it make no sense."""
        slow = self.stack.connect(throughput=20, messaging_limit="UNLIMITED")
        install(self.stack, slow, *STORED)
        campaign_id = launched(slow, people(300))
        templates = self.stack.box("GET", "/templates")["data"]
        ours = next(row for row in templates if row["name"] == "notice" and row["waba_id"] == slow.waba_id)
        self.stack.box("POST", f"/templates/{ours['id']}/review", {"action": "pause"})
        becomes(self.stack, campaign_id, "paused", PATIENCE)
        command = envelope(self.stack, type="CancelCampaign.v1", subject=str(uuid4()))
        value = json.dumps({"campaign_id": command.subject}).encode()
        asyncio.run(produce(self.stack, (command, value), topic=CAMPAIGNS_COMMANDS, key=command.subject.encode()))
        self._until_counted("campaigns", "wabus_campaigns_commands_refused_total")

    def _accounts_in_trouble(self) -> None:
        """A token is revoked, an account banned, a number's registration lost, another one's quality turns red."""
        revoked, banned, lost, red = (self.stack.connect() for _ in range(4))
        for number in (revoked, lost):
            [who] = people(1)
            self._greeted(number, who)
            if number is revoked:
                self._happens(number, event="TOKEN_REVOKED")
            else:
                self.stack.box("POST", "/faults", {"kind": "error", "code": 133010, "to": who, "count": 1})
            assert number.send(who).status_code == 202
        self._happens(banned, event="BAN")
        self._happens(red, event="QUALITY", quality="RED")

    # -- what comes in from strangers

    def _strange_webhooks(self) -> None:
        """Webhooks about nobody here, with parts that do not fit, and without a signature."""
        stranger = meta.body("123456", meta.change("654321", [meta.inbound("15551")]))
        assert self.stack.webhook(stranger).status_code == 200
        odd = meta.body(self._shop.waba_id, meta.change(self._shop.id, [{"id": "wamid.x"}]))
        assert self.stack.webhook(odd).status_code == 200
        assert self.stack.webhook(odd, "sha256=" + "0" * 64).status_code == 401

    def _commands(self) -> None:
        """An internal producer sends one message that is taken and one that is not."""
        [who] = people(1)
        self._greeted(self._shop, who)
        good = {"phone_number_id": self._shop.id, "to": f"+{who}", "text": "by command"}
        bad = good | {"to": "nobody"}
        records = [(envelope(self.stack), json.dumps(body).encode()) for body in (good, bad)]
        asyncio.run(produce(self.stack, *records))
        until(lambda: self._sent_to(who), "the good one is sent", PATIENCE)
        self._until_counted("edge", "wabus_edge_refused_total")

    # -- what breaks

    def _dead_letter(self) -> None:
        """A command that edge cannot read is buried."""
        spoil(self.stack, self.stack.info["tenant"], b"no json")
        self.stack.cli("dead-letters", "discard", "--all", "--why", "a day that is played")
        self.stack.cli("replay", "webhooks")

    def _mongodb_away(self) -> None:
        """Without MongoDB nothing is accepted; then all goes on."""
        [who] = people(1)
        self._greeted(self._shop, who)
        with self._stopped("mongod"):
            until(lambda: not self._edge_is_ready(), "edge says that it is not ready", PATIENCE, 0.2)
            assert self._shop.send(who).status_code == 503
        until(lambda: self._shop.send(who).status_code == 202, "edge accepts again", PATIENCE, 0.5)

    # -- what stories share

    def _does(self, method: str, path: str, body: Any, status: int = 200) -> Any:
        answer = self.stack.call(method, path, body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def _greeted(self, number: Number, *who: str) -> None:
        """Have people write to a number, and wait until they may be written to."""
        for each in who:
            number.hears(each)
        for each in who:
            path = f"/messages?direction=inbound&phone_number_id={number.id}&recipient={each}&limit=1"
            until(lambda path=path: self._does("GET", path, None)["data"], "the window is open", PATIENCE)  # type: ignore[misc]

    def _template(self, number: Number, who: str) -> str:
        body = {"phone_number_id": number.id, "to": f"+{who}", "template": "notice", "language": "en_US"}
        return str(self._does("POST", "/messages/template", body, 202)["id"])

    def _sent_to(self, who: str) -> bool:
        return any(row["to"].removeprefix("+") == who for row in self.stack.sends())

    def _happens(self, number: Number, **event: str) -> None:
        self.stack.box("POST", f"/accounts/{number.waba_id}/events", event)

    def _until_counted(self, service: str, metric: str) -> None:
        until(lambda: self.stack.metric(service, metric) > 0, f"{metric} counts", PATIENCE)

    def _edge_is_ready(self) -> bool:
        return self.stack.http.get(self.stack.info["edge"] + "/readyz").status_code == 200

    @contextmanager
    def _stopped(self, name: str) -> Iterator[None]:
        self.stack.cli("stop", name)
        try:
            yield
        finally:
            self.stack.restart(name)
