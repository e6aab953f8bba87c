"""The sandbox as pywa sees it, a public client of Meta's Cloud API that knows nothing of ours."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pywa import WhatsApp, handlers, types
from pywa.errors import WhatsAppError
from pywa.types import templates

from tests.support.running import Stack, until

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 300
VERIFY = "pywa-asks"


class ToSandbox(httpx.HTTPTransport):
    """pywa speaks to graph.facebook.com alone; what it sends goes to the sandbox instead, unchanged."""

    def __init__(self, sandbox: str) -> None:
        super().__init__()
        self._there = httpx.URL(sandbox)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        assert request.url.host in ("graph.facebook.com", self._there.host), request.url
        request.url = request.url.copy_with(scheme=self._there.scheme, host=self._there.host, port=self._there.port)
        return super().handle_request(request)


class Heard:
    """What pywa made of the sandbox's webhooks."""

    def __init__(self) -> None:
        self.messages: list[types.Message] = []
        self.statuses: list[types.MessageStatus[Any]] = []
        self.taps: list[types.CallbackButton[Any]] = []
        self.reviews: list[templates.TemplateStatusUpdate] = []
        self.refused: list[object] = []

    def of(self, sent: types.SentMessage) -> list[str]:
        """Return the statuses of a message."""
        return [status.status.value for status in self.statuses if status.id == sent.id]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[tuple[WhatsApp, Heard]]:
    """pywa with an account of its own app, whose webhooks it takes."""
    made = stack.box("POST", "/accounts", {"foreign_app": True, "messaging_limit": "UNLIMITED"})
    heard = Heard()
    with httpx.Client(transport=ToSandbox(stack.info["sandbox"])) as session:
        wa = WhatsApp(
            phone_id=made["phone_numbers"][0]["phone_number_id"], token=made["access_token"], session=session,
            waba_id=made["waba_id"], app_id=made["app_id"], app_secret=made["app_secret"], server=None,
            verify_token=VERIFY,
        )  # fmt: skip
        wa.add_handlers(handlers.MessageHandler(lambda _, message: heard.messages.append(message)))
        wa.add_handlers(handlers.MessageStatusHandler(lambda _, status: heard.statuses.append(status)))
        wa.add_handlers(handlers.CallbackButtonHandler(lambda _, tap: heard.taps.append(tap)))
        wa.add_handlers(handlers.TemplateStatusUpdateHandler(lambda _, review: heard.reviews.append(review)))
        with callback(wa, heard) as url:
            assert wa.override_waba_callback_url(url, VERIFY)
            yield wa, heard


@contextmanager
def callback(wa: WhatsApp, heard: Heard) -> Iterator[str]:
    """Give pywa's handlers an address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            self._answer(*wa.webhook_challenge_handler(query.get("hub.verify_token"), query.get("hub.challenge")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refusal = wa.webhook_update_validator(body, self.headers.get("X-Hub-Signature-256"))
            answer = refusal or wa.webhook_update_handler(body)
            if answer[1] != 200:
                heard.refused.append((answer, body))
            self._answer(*answer)

        def _answer(self, words: str | None, status: int) -> None:
            raw = (words or "").encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhook"
        server.shutdown()
        thread.join(5)


def writes(stack: Stack, client: tuple[WhatsApp, Heard], who: str, text: str = "hi") -> types.Message:
    """Have somebody write, and return what pywa made of it."""
    wa, heard = client
    body = {"phone_number_id": wa.phone_id, "from": who, "type": "text", "text": {"body": text}, "name": "Ann"}
    stack.box("POST", "/inbound", body)
    found: types.Message = until(
        lambda: next((it for it in heard.messages if it.from_user.wa_id == who and it.text == text), None), "it heard"
    )
    return found


def test_a_user_writes_and_is_answered(stack: Stack, client: tuple[WhatsApp, Heard], person: Callable[[], str]) -> None:
    _, heard = client
    message = writes(stack, client, person(), "a question")
    assert (message.type, message.from_user.name) == (types.MessageType.TEXT, "Ann")
    assert message.mark_as_read()
    assert message.indicate_typing()
    sent = message.reply("an answer", quote=True)
    until(lambda: {"sent", "delivered"} <= set(heard.of(sent)), "pywa hears of the delivery", 5)
    assert message.react("\N{THUMBS UP SIGN}").id
    assert heard.refused == []


def test_every_free_form_message_of_its_is_taken(
    stack: Stack, client: tuple[WhatsApp, Heard], person: Callable[[], str]
) -> None:
    (wa, heard), who = client, person()
    writes(stack, client, who)
    section = types.Section("All", [types.SectionRow(title="One", callback_data="1", description="The first")])
    sent = [
        wa.send_message(who, "See https://example.test", preview_url=True),
        wa.send_message(who, "Sure?", header="Today", footer="Thanks", buttons=[types.Button("Yes", "yes")]),
        wa.send_message(who, "Pick", buttons=types.SectionList("Menu", [section])),
        wa.send_message(who, "Look", buttons=types.URLButton("Go", "https://example.test")),
        wa.send_image(who, "https://files.example.test/a.png", caption="A picture"),
        wa.send_document(who, "https://files.example.test/a.pdf", filename="a.pdf", caption="Read"),
        wa.send_location(who, 52.5, 13.4, name="Home", address="1 Street"),
        wa.request_location(who, "Where are you?"),
        wa.send_contact(who, types.Contact(types.Contact.Name("Ann Bee", first_name="Ann"))),
    ]
    assert len({each.id for each in sent}) == len(sent)
    until(lambda: all("delivered" in heard.of(each) for each in sent), "all are delivered", 8)
    assert heard.refused == []


def test_its_uploads_are_sent_read_and_deleted(
    stack: Stack, client: tuple[WhatsApp, Heard], person: Callable[[], str]
) -> None:
    (wa, heard), who = client, person()
    writes(stack, client, who)
    media = wa.upload_media(PNG, mime_type="image/png", filename="a.png")
    sent = wa.send_image(who, media.id, caption="uploaded")
    until(lambda: "delivered" in heard.of(sent), "it is delivered", 5)
    described = wa.get_media_url(media.id)
    assert (described.mime_type, described.file_size) == ("image/png", len(PNG))
    assert wa.get_media_bytes(described.url) == PNG
    assert wa.delete_media(media.id)
    with pytest.raises(WhatsAppError):
        wa.get_media_url(media.id)


def test_media_that_a_user_sends_arrives(
    stack: Stack, client: tuple[WhatsApp, Heard], person: Callable[[], str]
) -> None:
    (wa, heard), who = client, person()
    stack.box("POST", "/inbound", {"phone_number_id": wa.phone_id, "from": who, "type": "image", "image": {}})
    message = until(lambda: next((it for it in heard.messages if it.from_user.wa_id == who), None), "it heard")
    assert message.image
    assert message.image.get_bytes()
    assert heard.refused == []


def test_a_template_of_its_is_created_reviewed_sent_and_deleted(
    stack: Stack, client: tuple[WhatsApp, Heard], person: Callable[[], str]
) -> None:
    wa, heard = client
    parts: list[templates.TemplateBaseComponent | dict[str, object]] = [
        templates.HeaderText("Hello {{name}}", name="Ann"),
        templates.BodyText("Order {{number}} is on its way.", number="42"),
        templates.FooterText(text="Thanks"),
        templates.Buttons(
            buttons=[
                templates.QuickReplyButton(text="Stop"),
                templates.URLButton(text="See", url="https://example.test"),
            ]
        ),
    ]
    wish = templates.Template(
        name="pywa_order", category=templates.TemplateCategory.UTILITY,
        language=templates.TemplateLanguage.ENGLISH_US, components=parts, parameter_format=templates.ParamFormat.NAMED,
    )  # fmt: skip
    created = wa.create_template(wish)
    assert created.status == templates.TemplateStatus.PENDING
    stack.box("POST", f"/templates/{created.id}/review", {"action": "approve"})
    until(lambda: [it for it in heard.reviews if it.template_id == created.id], "pywa hears of the review")
    assert wa.get_template(created.id).status == templates.TemplateStatus.APPROVED
    assert [each.name for each in wa.get_templates(name="pywa_order")] == ["pywa_order"]
    values = [templates.HeaderText.params(name="Ann"), templates.BodyText.params(number="7")]
    sent = wa.send_template(person(), "pywa_order", templates.TemplateLanguage.ENGLISH_US, values)
    until(lambda: "delivered" in heard.of(sent), "it is delivered", 5)
    assert wa.delete_template("pywa_order")
    assert heard.refused == []


def test_refusals_are_the_errors_that_it_knows(client: tuple[WhatsApp, Heard], person: Callable[[], str]) -> None:
    (wa, heard), who = client, person()
    with pytest.raises(WhatsAppError) as refusal:
        wa.send_message(who, "x" * 5000)
    assert refusal.value.code == 100
    unopened = wa.send_message(who, "nobody wrote")
    failed = until(lambda: [it for it in heard.statuses if it.id == unopened.id and it.error], "the failure is told")
    assert failed[0].error.code == 131047


def test_numbers_profiles_and_blocks_are_read_and_changed(client: tuple[WhatsApp, Heard]) -> None:
    wa, _ = client
    number = wa.get_business_phone_number()
    assert number.id == wa.phone_id
    assert wa.update_business_profile(about="We are here")
    assert wa.get_business_profile().about == "We are here"
    assert [each.id for each in wa.get_business_phone_numbers()] == [wa.phone_id]
