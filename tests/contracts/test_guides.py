"""What the guides show is called as it stands, with only the ids put in: an example that is wrong fails here."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.guides import GUIDES, program, sends
from tests.support.running import API, WABUS, Stack, until
from tests.support.shared_stack import greet, install

ROOT = Path(__file__).parents[2]
CALL = re.compile(r"^ {4}(GET|POST|PATCH|DELETE)\s+(/\S+)(?:\s+(\{.*))?$", re.DOTALL)
NAMED = re.compile(r"`(GET|POST|PATCH|DELETE) (/[a-z_]+[^`\s?]*)")
NOWHERE = "http://127.0.0.1:9/"
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 300
ORDER = {"type": "BODY", "text": "Order {{1}} is on its way", "example": {"body_text": [["42"]]}}


class Shown(NamedTuple):
    """A call as a guide shows it."""

    guide: str
    method: str
    path: str
    body: dict[str, Any] | None


def indented(text: str) -> list[str]:
    """Return the calls of a guide's indented blocks, each with the lines that go on with its body."""
    calls: list[str] = []
    for line in text.splitlines():
        for piece in re.split(r" {5,}(?=(?:GET|POST|PATCH|DELETE) /)", line):
            whole = piece if piece.startswith("    ") else f"    {piece}"
            if line.startswith("    ") and re.match(r" {4}(GET|POST|PATCH|DELETE) ", whole):
                calls.append(whole)
            elif line.startswith("     ") and calls and calls[-1].count("{") > calls[-1].count("}"):
                calls[-1] += " " + line.strip()
    return calls


def inline(text: str) -> list[str]:
    """Return the calls with a body that stand within a sentence."""
    found = re.findall(r"`((?:POST|PATCH) /[^`]*\{\"[^`]*)`", text)
    return [f"    {' '.join(each.split())}" for each in found]


def calls_of(guide: str) -> list[Shown]:
    """Return every call that a guide shows whole."""
    text = (GUIDES / guide).read_text()
    shown = []
    for each in indented(text) + inline(text):
        found = CALL.match(each)
        assert found, f"{guide}: {each}"
        method, path, rest = found.groups()
        body = read_body(rest) if rest else None
        shown.append(Shown(guide, method, path, body))
    return shown


def read_body(text: str) -> dict[str, Any]:
    """Read the JSON at the beginning of a text; where a guide leaves fields out there is one that is called `…`."""
    text = re.sub(r"\{…,", '{"…": 0,', text).replace("[…]", '["…"]').replace(", …}", ', "…": 0}')
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return found


class Shop:
    """A tenant's things, which take the place of the ids and of the `…` of the examples."""

    def __init__(self, stack: Stack, who: str) -> None:
        self.stack, self.who = stack, who
        self.number = stack.connect(throughput=1000)
        greet(self.number, who)
        path = f"/messages?direction=inbound&phone_number_id={self.number.id}"
        row = stack.call("GET", path).json()["data"][0]
        self.inbound, self.conversation = row["id"], row["conversation_id"]
        stored = {"language": "en_US", "category": "UTILITY", "components": [ORDER]}
        install(stack, self.number, *({"name": name} | stored for name in ("order_update", "spring_sale")))
        self.fresh = stack.box("POST", "/accounts", {})
        self.ids: dict[str, str] = {}
        self.known: dict[str, Any] = {
            "phone_number_id": self.number.id, "to": f"+{who}", "message_id": self.inbound, "link": NOWHERE,
            "url": NOWHERE, "caption": "A picture", "components": [ORDER | {"text": "Your order {{1}} is on its way"}],
            "buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}],
            "phones": [{"phone": "+15550001111", "type": "CELL"}],
        }  # fmt: skip
        self.rest = {"text": {"text": "Hello"}, "image": {"link": NOWHERE}}

    def body(self, shown: Shown) -> dict[str, Any] | None:
        """Return an example's body as a reader would complete it."""
        if shown.body is None:
            return None
        known = dict(self.known)
        if shown.path == "/onboarding/manual":
            known |= {name: self.fresh[name] for name in ("waba_id", "access_token")}
            known["phone_number_id"] = self.fresh["phone_numbers"][0]["phone_number_id"]
        filled: dict[str, Any] = self._filled(shown.body, known)
        if shown.path == "/campaigns":
            words = [{"type": "body", "parameters": [{"type": "text", "text": "today"}]}]
            filled |= {"phone_number_id": self.number.id, "components": words}
        if shown.method == "POST" and shown.path == "/templates":
            filled["waba_id"] = self.fresh["waba_id"]  # of several accounts
        return filled

    def _filled(self, said: Any, known: dict[str, Any], name: str = "") -> Any:
        if name in known and ("…" in str(said) or name in ("message_id", "url") or str(said)[:4] == "+155"):
            return known[name]
        if said == "{bot_id}":
            return self.ids["bots"]
        if isinstance(said, list):
            return [self._filled(each, known) for each in said]
        if not isinstance(said, dict):
            return said
        filled = {key: self._filled(value, known, key) for key, value in said.items() if key != "…"}
        if "…" in said:
            to = {"phone_number_id": self.number.id, "to": f"+{self.who}"}
            filled = to | (self.rest[filled["type"]] if "link" not in filled and "type" in filled else {}) | filled
        return filled

    def path(self, shown: Shown) -> str:
        """Return an example's path with ids of things that the examples before it made."""
        if shown.path.startswith("/templates?"):
            return f"{shown.path}&waba_id={self.number.waba_id}"
        kind = shown.path.split("/")[1]
        path = shown.path.replace("{id}", self.ids.get(kind, "")).replace("{delivery_id}", self.ids.get("delivery", ""))
        path = path.replace("{phone_id}", self.number.id).replace("{conversation_id}", self.conversation)
        return path.replace("{contact_id}", self.ids.get("contact", ""))

    def key(self, shown: Shown) -> str:
        """Return the key that an example is called with."""
        return str(self.stack.info["admin_key"]) if shown.path.startswith("/keys") else self.stack.key

    def made(self, shown: Shown, answer: dict[str, Any]) -> None:
        """Keep what an example made."""
        if shown.method == "POST" and shown.path == "/opt_outs":
            self.ids["contact"] = answer["contact_id"]
        if shown.method == "POST" and shown.path in (
            "/templates",
            "/webhook_endpoints",
            "/keys",
            "/campaigns",
            "/bots",
        ):
            self.ids[shown.path[1:]] = answer["id"]
        if shown.path == "/templates" and shown.method == "POST":
            review = f"/templates/{answer['meta_id']}/review"  # Meta lets nobody edit what it has not reviewed
            self.stack.box("POST", review, {"action": "approve"})
            state = lambda: self.stack.call("GET", f"/templates/{answer['id']}").json()["status"] == "APPROVED"  # noqa: E731
            until(state, "the template is approved")
        if shown.path == "/webhook_endpoints":
            self.ids["delivery"] = self.stack.call("POST", f"/webhook_endpoints/{answer['id']}/test").json()["id"]


@pytest.fixture(scope="module")
def shop(stack: Stack, person: Callable[[], str]) -> Iterator[Shop]:
    """A tenant's things; nothing listens any more afterwards."""
    yield Shop(stack, person())
    for each in stack.call("GET", "/webhook_endpoints?limit=100").json()["data"]:
        if each["url"] == NOWHERE:
            stack.call("DELETE", f"/webhook_endpoints/{each['id']}")


@pytest.mark.parametrize(
    ("guide", "least"),
    [("api-users.md", 16), ("webhooks.md", 4), ("campaigns.md", 11), ("analytics.md", 9), ("bots.md", 7)],
)
def test_every_call_that_a_guide_shows_is_taken(stack: Stack, shop: Shop, guide: str, least: int) -> None:
    shown = calls_of(guide)
    assert len(shown) >= least
    for each in shown:
        answer = stack.call(each.method, shop.path(each), shop.body(each), key=shop.key(each))
        assert answer.status_code < 300, f"{guide}: {each.method} {each.path}: {answer.status_code} {answer.text[:500]}"
        shop.made(each, answer.json() if "json" in answer.headers.get("content-type", "") else {})


@pytest.mark.parametrize("guide", [each.name for each in sorted(GUIDES.glob("*.md"))])
def test_every_call_that_a_guide_names_is_one_of_the_document(stack: Stack, guide: str) -> None:
    paths = stack.http.get(stack.info["edge"] + "/openapi.json").json()["paths"]
    calls = {
        (method.upper(), re.sub(r"{[^}]*}", "{}", path.removeprefix(API)))
        for path, methods in paths.items()
        for method in methods
    }
    for method, path in NAMED.findall((GUIDES / guide).read_text()):
        assert (method, re.sub(r"{[^}]*}", "{}", path)) in calls, f"{guide}: {method} {path}"


def curls(guide: str) -> list[str]:
    """Return a guide's curl lines, as a shell would be given them."""
    text = (GUIDES / guide).read_text().replace("\\\n", " ")
    return [line.strip().split(" -> ")[0] for line in text.splitlines() if line.startswith("    curl ")]


def runs(stack: Stack, command: str, folder: Path) -> str:
    """Run a line in a shell that has the key and the address in its variables; -> what it printed."""
    there = {"KEY": stack.key, "BASE": stack.info["edge"] + API, "WABUS": stack.info["edge"]}
    options = "curl --fail-with-body -sS"
    done = subprocess.run(
        ["/bin/bash", "-c", command.replace("curl", options, 1)], cwd=folder, env={**os.environ, **there},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
    return done.stdout


def test_the_lines_that_upload_and_download_a_file_work(stack: Stack, shop: Shop, tmp_path: Path) -> None:
    up, down = curls("api-users.md")
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    made = json.loads(runs(stack, up.replace("phone_number_id=…", f"phone_number_id={shop.number.id}"), tmp_path))
    assert made["size"] == len(JPEG)
    runs(stack, re.sub(r"/media/\d+", f"/media/{made['media_id']}", down), tmp_path)
    assert (tmp_path / f"{made['media_id']}.jpg").read_bytes() == JPEG


def test_the_line_that_imports_recipients_works(stack: Stack, shop: Shop, tmp_path: Path) -> None:
    (line,) = curls("campaigns.md")
    body = {"name": "a", "template": "spring_sale", "phone_number_id": shop.number.id}
    campaign = stack.call("POST", "/campaigns", body).json()["id"]
    (tmp_path / "people.csv").write_text("to,1\n+15550001234,soon\n")
    assert json.loads(runs(stack, line.replace("$CAMPAIGN", campaign), tmp_path))["added"] == 1


def test_the_line_that_connects_by_embedded_signup_works(stack: Stack, tmp_path: Path) -> None:
    (line,) = curls("embedded-signup.md")
    made = stack.box("POST", "/accounts", {})
    line = line.replace("AQ...", made["code"]).replace("106540352242922", made["phone_numbers"][0]["phone_number_id"])
    assert json.loads(runs(stack, line, tmp_path))["waba_id"] == made["waba_id"]


def test_the_commands_and_targets_that_the_readme_names_are_there(stack: Stack) -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"^ {4}make (\w+)", readme, re.MULTILINE) + re.findall(r"`make (\w+)`", readme):
        assert f"\n{target}:" in makefile, target
    listed = re.search(r"`.venv/bin/wabus --help` lists what else there is: (.*?)\.\n", readme, re.DOTALL)
    assert listed
    told = subprocess.run([WABUS, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    for command in re.findall(r"`(\w[\w-]*)", listed[1]):
        assert re.search(rf"\b{command}\b", told), command
    for path in re.findall(r"`((?:services|libs|contracts|deploy|tests)/[\w./-]+)`", readme):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(("guide", "language", "says"), [
    ("api-users.md", "bash", "Your order is ready"), ("api-users.md", "python", "And it is wrapped"),
    ("internal-producers.md", "python", "Your order is ready"),
])  # fmt: skip
def test_a_program_that_a_guide_shows_sends_its_message(
    stack: Stack, number: Any, person: Callable[[], str], guide: str, language: str, says: str
) -> None:
    command = [sys.executable, "-c"] if language == "python" else ["bash", "-c"]
    printed = sends(stack, number, person(), [*command, program(guide, language)], says)
    if (guide, language) == ("api-users.md", "python"):
        assert printed.startswith("delivered [('queued', ")
