"""Calls of the command line: the public API with a key, edge's internal routes, the sandbox's control side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from libs.web.identity import HEADER, INTERNAL, sign_identity
from services.console.errors import CommandRefused
from services.console.target import Target

UPLOAD_TIMEOUT = 300.0  # seconds that a step of an upload may take
TIMEOUT = 30.0  # seconds: longer than any synchronous call to Meta behind the API may take
API = "/api/v1/whatsapp"
CONSOLE = "console"  # the key id under which our own tools act


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and parsed body of a call."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Calls:
    """Makes JSON calls to one base address."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        try:
            self._client = httpx.Client(base_url=base, headers=dict(headers or {}), timeout=TIMEOUT, trust_env=False)
        except httpx.InvalidURL:
            raise CommandRefused("WABUS_EDGE_URL or WABUS_SANDBOX_URL cannot be read as an address") from None
        self._told = self._client.base_url.copy_with(userinfo=b"")  # as it may be printed: without a login

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call and return whatever comes; raises CommandRefused when nobody answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            response = self._client.request(method, path, json=body, headers=named)
        except httpx.HTTPError as error:
            raise CommandRefused(f"{self._told} does not answer: {error}") from error
        return _answer(response)

    def do(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Call and return the body; raises CommandRefused with the error's own words for a status of 400 or more."""
        return answered(self.ask(method, path, body, **headers))

    def upload(self, path: str, body: Iterator[bytes], media_type: str) -> Any:
        """Post a stream and return the answer's body; raises as `do` does."""
        headers = {"Content-Type": media_type}
        try:
            response = self._client.post(path, content=body, headers=headers, timeout=UPLOAD_TIMEOUT)
        except httpx.HTTPError as error:
            raise CommandRefused(f"{self._told} broke off: {error}") from error
        return answered(_answer(response))

    def download(self, path: str) -> Iterator[bytes]:
        """Yield an answer's body as it comes; raises as `do` does."""
        try:
            with self._client.stream("GET", path) as response:
                self._check(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise CommandRefused(f"{self._told} broke off: {error}") from error

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of an endless answer; raises ConnectionError where it breaks, and as `do` does."""
        try:
            with self._client.stream("GET", path) as response:
                if response.status_code >= 500:
                    raise ConnectionError
                self._check(response)
                yield from response.iter_lines()
        except httpx.HTTPError as error:
            raise ConnectionError from error

    def _check(self, response: httpx.Response) -> None:
        if response.status_code >= 400:
            response.read()
            raise CommandRefused(refusal(_answer(response)))


def _answer(response: httpx.Response) -> Answer:
    is_json = "json" in response.headers.get("content-type", "")
    return Answer(response.status_code, response.json() if is_json else response.text, response.headers)


def answered(answer: Answer) -> Any:
    """Return an answer's body; raises CommandRefused with the error's own words for a status of 400 or more."""
    if answer.status >= 400:
        raise CommandRefused(refusal(answer))
    return answer.body


def refusal(answer: Answer) -> str:
    """Return what an error answer says, in one line."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(error, dict):
        return f"HTTP {answer.status}: {str(answer.body)[:300]}"
    message, param = str(error.get("message")), error.get("param")
    where = f" ({param})" if param and not message.startswith(f"{param}:") else ""
    return f"{message}{where} [{answer.status} {error.get('code')}]"


def public_api(target: Target) -> Calls:
    """Return calls to the public API with the target's key; paths begin after `/api/v1/whatsapp`."""
    key = target.need("api_key")
    return Calls(target.need("edge") + API, {"Authorization": f"Bearer {key}"})


def internal_routes(target: Target) -> Calls:
    """Return calls to edge's internal routes; paths begin after `/internal`."""
    identity = sign_identity(target.need("internal_secret"), "*", CONSOLE, [INTERNAL])
    return Calls(target.need("edge") + "/internal", {HEADER: identity})


def sandbox_control(target: Target) -> Calls:
    """Return calls to the sandbox's control side; paths begin after `/_sandbox`."""
    return Calls(target.need("sandbox") + "/_sandbox")
