import concurrent.futures
import hashlib
import json
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.load.cost import memory_bytes
from tests.support.running import API, Number, Stack, until
from tests.support.shared_stack import Tenant, new_key, new_tenant, refused

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 3000
PDF = b"%PDF-1.7\n" + b"d" * 5000
MP4 = b"\x00\x00\x00\x18ftypisom" + b"v" * 5000
STATIC_WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 " + b"s" * 64
MB = 1024 * 1024


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Number:
    return stack.connect()


@pytest.fixture
def faults(stack: Stack) -> Iterator[Callable[..., None]]:
    """Play a fault of Graph's on media calls; gone after the test."""

    def play(kind: str, path: str = "/media", **options: Any) -> None:
        stack.box("POST", "/faults", {"kind": kind, "path": path, **options})

    yield play
    stack.box("DELETE", "/faults")


def upload(
    stack: Stack, content: bytes = PNG, declared: str = "image/png", *, key: str = "", name: str = "a.png",
    fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
) -> httpx.Response:  # fmt: skip
    sent = {"Authorization": f"Bearer {key or stack.key}"} | dict(headers or {})
    files = {"file": (name, content, declared)}
    return stack.http.post(stack.info["edge"] + API + "/media", files=files, data=dict(fields or {}), headers=sent)


def to(number: Number) -> dict[str, str]:
    return {"phone_number_id": number.id}


def at_meta(stack: Stack, number: Number) -> list[dict[str, Any]]:
    return [each for each in stack.box("GET", "/media")["data"] if each["number_id"] == number.id]


def form(parts: list[tuple[str, str | None, bytes]]) -> tuple[bytes, dict[str, str]]:
    """Write a form by hand: (name, type of a file or None, content) in the order given."""
    body = b""
    for name, declared, content in parts:
        more = f'; filename="f.png"\r\nContent-Type: {declared}' if declared else ""
        body += f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--xyz--\r\n", {"Content-Type": "multipart/form-data; boundary=xyz"}


def test_a_file_goes_up_and_comes_back(stack: Stack, shop: Number) -> None:
    answer = upload(stack, fields=to(shop))
    assert answer.status_code == 201, answer.text
    media = answer.json()
    assert {name: media[name] for name in ("object", "size", "mime_type", "phone_number_id")} == {
        "object": "media", "size": len(PNG), "mime_type": "image/png", "phone_number_id": shop.id,
    }  # fmt: skip
    assert media["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert media["expires_at"].endswith("Z")
    back = stack.call("GET", f"/media/{media['media_id']}")
    assert (back.status_code, back.content) == (200, PNG)
    head = back.headers
    assert (head["Content-Type"], head["Content-Length"]) == ("image/png", str(len(PNG)))
    assert head["Content-Disposition"] == f'attachment; filename="{media["media_id"]}.png"'
    assert head["X-Content-Type-Options"] == "nosniff"
    assert urlsplit(stack.info["sandbox"]).netloc not in str(head)
    again = stack.call("GET", f"/media/{media['media_id']}", headers={"If-None-Match": head["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert stack.call("DELETE", f"/media/{media['media_id']}").status_code == 204
    refused(stack.call("GET", f"/media/{media['media_id']}"), 404, "media_not_found")
    refused(stack.call("DELETE", f"/media/{media['media_id']}"), 404, "media_not_found")


@pytest.mark.parametrize(
    ("content", "declared", "name", "mime_type"),
    [
        (PDF, "application/pdf", "a.pdf", "application/pdf"), (MP4, "video/mp4", "a.mp4", "video/mp4"),
        (b"OggS" + b"a" * 300, "audio/ogg; codecs=opus", "a.ogg", "audio/ogg"),
        (b"plain words", "text/plain", "a.txt", "text/plain"), (STATIC_WEBP, "image/webp", "a.webp", "image/webp"),
        (PNG, "application/octet-stream", "a", "image/png"),
        (b"PK\x03\x04" + b"z" * 300, "application/octet-stream", "a.xlsx",
         "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)  # fmt: skip
def test_types_that_meta_takes(
    stack: Stack, shop: Number, content: bytes, declared: str, name: str, mime_type: str
) -> None:
    answer = upload(stack, content, declared, name=name, fields=to(shop))
    assert answer.status_code == 201, answer.text
    assert answer.json()["mime_type"] == mime_type
    assert at_meta(stack, shop)[0]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "declared", "found"),
    [
        (b"MZ" + b"\0" * 100, "application/x-msdownload", "application/x-msdownload"),
        (PDF, "image/png", "application/pdf"),
        (PNG, "image/jpeg", "image/png"), (b"GIF89a" + b"\0" * 50, "image/gif", "image/gif"),
        (b"<html><script>", "text/html", "text/plain"), (PDF, "text/plain", "application/pdf"),
        (b"\0\1\2\3" * 50, "application/octet-stream", "application/octet-stream"),
    ],
)  # fmt: skip
def test_types_that_meta_does_not_take_or_that_are_not_what_they_say(
    stack: Stack, shop: Number, content: bytes, declared: str, found: str
) -> None:
    before = len(at_meta(stack, shop))
    error = refused(upload(stack, content, declared, fields=to(shop)), 415, "unsupported_media", "file")
    assert (error["declared"], error["found"]) == (declared, found)
    assert len(at_meta(stack, shop)) == before


@pytest.mark.parametrize(
    ("content", "declared", "limit"),
    [
        (PNG + b"p" * 5 * MB, "image/png", 5 * MB), (STATIC_WEBP + b"s" * 100 * 1024, "image/webp", 100 * 1024),
        (MP4 + b"v" * 16 * MB, "video/mp4", 16 * MB),
    ],
)  # fmt: skip
def test_a_file_that_is_too_large_for_its_kind(
    stack: Stack, shop: Number, content: bytes, declared: str, limit: int
) -> None:
    before = len(at_meta(stack, shop))
    error = refused(upload(stack, content, declared, fields=to(shop)), 413, "media_too_large", "file")
    assert error["limit"] == limit
    assert len(at_meta(stack, shop)) == before


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(stack: Stack, shop: Number) -> None:
    head, kind = form([("phone_number_id", None, shop.id.encode()), ("file", "application/pdf", PDF)])
    with raw_post(stack, kind | {"Content-Length": str(101 * MB)}) as connection:
        connection.sendall(head[:-10])
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_large_file_of_unknown_length_is_cut_off_on_the_way(stack: Stack, shop: Number) -> None:
    before = len(at_meta(stack, shop))
    body, kind = form([("phone_number_id", None, shop.id.encode()), ("file", "image/png", PNG + b"p" * 6 * MB)])
    answer = chunked(stack, body, kind)
    refused(answer, 413, "media_too_large", "file")
    assert len(at_meta(stack, shop)) == before


def test_a_file_of_unknown_length_goes_up(stack: Stack, shop: Number) -> None:
    body, kind = form([("phone_number_id", None, shop.id.encode()), ("file", "image/png", PNG)])
    answer = chunked(stack, body, kind)
    assert (answer.status_code, answer.json()["size"]) == (201, len(PNG))
    assert stack.call("GET", f"/media/{answer.json()['media_id']}").content == PNG


def test_the_number_may_stand_behind_the_file_where_there_is_one_only(
    stack: Stack, shop: Number, one_number: Tenant
) -> None:
    large, key = PNG + b"p" * MB, one_number.key  # more than comes in one read
    only = upload(stack, key=key).json()["phone_number_id"]

    def behind(number: str) -> list[tuple[str, str | None, bytes]]:
        return [("file", "image/png", large), ("phone_number_id", None, number.encode())]

    answer = by_hand(stack, behind(only), key)
    assert (answer.status_code, answer.json()["phone_number_id"]) == (201, only), answer.text
    assert stack.call("GET", f"/media/{answer.json()['media_id']}", key=key).content == large
    refused(by_hand(stack, behind("123"), key), 422, "invalid_field", "phone_number_id")
    stack.connect()  # with shop's number the tenant has several
    error = refused(by_hand(stack, behind(shop.id), stack.key), 422, "missing_field", "phone_number_id")
    assert shop.id in error["message"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code", "param"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type", None),
        (b"", "multipart/form-data", 400, "not_multipart", None),
        (b"nothing of the kind", "multipart/form-data; boundary=xyz", 400, "not_multipart", None),
        (form([])[0], "multipart/form-data; boundary=xyz", 422, "missing_field", "file"),
        (form([("file", "image/png", b"")])[0], "multipart/form-data; boundary=xyz", 422, "invalid_field", "file"),
        (form([("colour", None, b"red")])[0], "multipart/form-data; boundary=xyz", 422, "unknown_field", "colour"),
        (form([("phone_number_id", None, b"1" * 2000)])[0], "multipart/form-data; boundary=xyz", 422, "invalid_field",
         "phone_number_id"),
        (form([("file", "image/png", PNG), ("file", "image/png", PNG)])[0], "multipart/form-data; boundary=xyz", 422,
         "invalid_field", "file"),
        (form([("file", "image/png", PNG)])[0][:-30], "multipart/form-data; boundary=xyz", 400, "not_multipart", None),
        (form([("file", "image/png", PNG)])[0] + b" " * MB, "multipart/form-data; boundary=xyz", 400, "not_multipart",
         None),
    ],
)  # fmt: skip
def test_forms_that_are_none(
    stack: Stack, one_number: Tenant, body: bytes, kind: str, status: int, code: str, param: str | None
) -> None:
    answer = stack.call("POST", "/media", raw=body, key=one_number.key, headers={"Content-Type": kind})
    refused(answer, status, code, param)


@pytest.fixture(scope="module")
def one_number(stack: Stack) -> Tenant:
    tenant = new_tenant(stack, "Just one number")
    connect(stack, tenant)
    return tenant


def test_media_of_others_is_unknown(stack: Stack, shop: Number, one_number: Tenant) -> None:
    media_id = upload(stack, fields=to(shop)).json()["media_id"]
    foreign = refused(stack.call("GET", f"/media/{media_id}", key=one_number.key), 404, "media_not_found")
    unknown = refused(stack.call("GET", "/media/123456789", key=one_number.key), 404, "media_not_found")
    assert foreign | {"request_id": ""} == unknown | {"request_id": ""}
    refused(stack.call("DELETE", f"/media/{media_id}", key=one_number.key), 404, "media_not_found")
    refused(stack.call("GET", "/media/no-such", key=one_number.key), 404, "media_not_found")
    refused(upload(stack, key=one_number.key, fields=to(shop)), 404, "number_not_found", "phone_number_id")
    assert stack.call("GET", f"/media/{media_id}").status_code == 200


def test_a_missing_scope_is_named(stack: Stack, shop: Number) -> None:
    key = str(new_key(stack, "whatsapp:write")["key"])
    answers = {"whatsapp:send": [upload(stack, key=key, fields=to(shop)), stack.call("DELETE", "/media/1", key=key)]}
    answers["whatsapp:read"] = [stack.call("GET", "/media/1", key=key)]
    for scope, each in answers.items():
        assert [refused(answer, 403, "missing_scope")["scope"] for answer in each] == [scope] * len(each)


def test_what_somebody_sent_is_downloaded_by_who_received_it(
    stack: Stack, shop: Number, one_number: Tenant, person: Callable[[], str]
) -> None:
    who = person()
    stack.box(
        "POST", "/inbound", {"phone_number_id": shop.id, "from": who, "type": "document", "document": {"caption": "c"}}
    )
    path = f"/messages?direction=inbound&phone_number_id={shop.id}&recipient={who}"
    row = until(lambda: (stack.call("GET", path).json()["data"] or [None])[0], "the message is there")
    media_id = at_meta(stack, shop)[0]["id"]
    assert media_id in json.dumps(row)
    answer = stack.call("GET", f"/media/{media_id}")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == at_meta(stack, shop)[0]["sha256"]
    refused(stack.call("GET", f"/media/{media_id}", key=one_number.key), 404, "media_not_found")
    assert stack.call("DELETE", f"/media/{media_id}").status_code == 204
    refused(stack.call("GET", f"/media/{media_id}"), 410, "media_expired")


def test_the_same_key_and_file_are_one_upload(stack: Stack, shop: Number) -> None:
    key = {"Idempotency-Key": f"media-{secrets.token_hex(8)}"}
    before = len(at_meta(stack, shop))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: upload(stack, fields=to(shop), headers=key), range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    first = next(answer for answer in answers if answer.status_code == 201)
    again = upload(stack, fields=to(shop), headers=key)
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert len(at_meta(stack, shop)) == before + 1
    refused(upload(stack, PNG + b"other", fields=to(shop), headers=key), 422, "idempotency_key_reused")
    refused(upload(stack, PDF, "application/pdf", fields=to(shop), headers=key), 422, "idempotency_key_reused")
    assert len(at_meta(stack, shop)) == before + 1


def test_a_client_that_goes_away_leaves_nothing_at_meta(stack: Stack, shop: Number) -> None:
    before, name = len(at_meta(stack, shop)), f"gone-{secrets.token_hex(8)}"
    body, kind = form([("phone_number_id", None, shop.id.encode()), ("file", "application/pdf", PDF + b"d" * 4 * MB)])
    with raw_post(stack, kind | {"Content-Length": str(len(body)), "Idempotency-Key": name}) as connection:
        connection.sendall(body[: 2 * MB])
    # The upload that died holds its key no longer, and what goes up now is the only one.
    again = {"Idempotency-Key": name}
    raw, kind = form([("phone_number_id", None, shop.id.encode()), ("file", "application/pdf", PDF)])

    def taken() -> httpx.Response | None:
        answer = stack.call("POST", "/media", raw=raw, headers=kind | again)
        return answer if answer.status_code != 409 else None

    answer = until(taken, "the key is free again", 10)
    assert answer.status_code == 201, answer.text
    assert [media["size"] for media in at_meta(stack, shop)][: len(at_meta(stack, shop)) - before] == [len(PDF)]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "error", "code": 131000}, 502, "meta_failed"), ({"kind": "error", "code": 190}, 409, "token_invalid"),
        ({"kind": "error", "code": 80007}, 429, "app_throttled"), ({"kind": "error", "code": 100}, 422, "meta_refused"),
        ({"kind": "http_5xx", "body": "html"}, 502, "meta_failed"), ({"kind": "accept_then_reset"}, 502, "meta_failed"),
    ],
)  # fmt: skip
def test_what_meta_does_to_an_upload_is_told(
    stack: Stack, shop: Number, faults: Callable[..., None], fault: dict[str, Any], status: int, code: str
) -> None:
    faults(**fault, count=1)
    error = refused(upload(stack, fields=to(shop)), status, code)
    if fault["kind"] == "error":
        assert error["meta"]["code"] == fault["code"]
    assert upload(stack, fields=to(shop)).status_code == 201


def test_a_download_that_breaks_is_never_a_whole_file(stack: Stack, shop: Number, faults: Callable[..., None]) -> None:
    media_id = upload(stack, fields=to(shop)).json()["media_id"]
    faults("http_5xx", path="media-host", count=1)
    refused(stack.call("GET", f"/media/{media_id}"), 502, "meta_failed")
    faults("error", path=f"GET /{media_id}", code=2, count=1)
    refused(stack.call("GET", f"/media/{media_id}"), 502, "meta_failed")
    assert stack.call("GET", f"/media/{media_id}").content == PNG


def test_a_download_that_nobody_waits_for_is_let_go(stack: Stack, shop: Number) -> None:
    content = PDF + b"d" * 8 * MB
    media_id = upload(stack, content, "application/pdf", fields=to(shop)).json()["media_id"]
    passed = stack.metric("edge", "wabus_edge_media_bytes_total")
    headers = {"Authorization": f"Bearer {stack.key}"}
    with stack.http.stream("GET", f"{stack.info['edge']}{API}/media/{media_id}", headers=headers) as answer:
        assert next(answer.iter_raw(1000)) == content[:1000]
    assert stack.call("GET", f"/media/{media_id}").content == content
    # Only files that went down whole are counted: the second one.
    assert stack.metric("edge", "wabus_edge_media_bytes_total") == passed + len(content)


def test_a_link_is_never_fetched_by_us(stack: Stack, shop: Number, person: Callable[[], str]) -> None:
    """The only place that is named nowhere else: whoever asks it would have fetched a client's link."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        link = f"http://127.0.0.1:{trap.getsockname()[1]}/a.png"
        header = [{"type": "header", "parameters": [{"type": "image", "image": {"link": link}}]}]
        body = {"phone_number_id": shop.id, "to": f"+{person()}", "template": "none", "language": "en_US"}
        refused(stack.call("POST", "/messages/template", body | {"components": header}), 422)
        fields = {"phone_number_id": shop.id, "link": link}
        refused(upload(stack, fields=fields), 422, "unknown_field", "link")
        trap.settimeout(0.3)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_sixteen_megabytes_pass_without_being_held(stack: Stack, shop: Number) -> None:
    edge, content = stack.info["pids"]["edge"], PDF + b"d" * 16 * MB
    assert upload(stack, PDF, "application/pdf", fields=to(shop)).status_code == 201  # what the first call loads
    before = memory_bytes(edge)
    media_id = upload(stack, content, "application/pdf", fields=to(shop)).json()["media_id"]
    assert stack.call("GET", f"/media/{media_id}").content == content
    assert memory_bytes(edge) - before < 12 * MB  # held even once, it would be more than sixteen


def connect(stack: Stack, tenant: Tenant) -> str:
    """Connect a fresh account for a tenant; -> its number's id."""
    made = stack.box("POST", "/accounts", {})
    number = str(made["phone_numbers"][0]["phone_number_id"])
    body = {"waba_id": made["waba_id"], "phone_number_id": number, "access_token": made["access_token"]}
    assert stack.call("POST", "/onboarding/manual", body, key=tenant.key).status_code == 201
    return number


def by_hand(stack: Stack, parts: list[tuple[str, str | None, bytes]], key: str) -> httpx.Response:
    body, kind = form(parts)
    return stack.call("POST", "/media", raw=body, key=key, headers=kind)


def chunked(stack: Stack, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """Post a body whose length is not told."""
    pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    sent = {"Authorization": f"Bearer {stack.key}"} | dict(headers)
    return stack.http.post(stack.info["edge"] + API + "/media", content=pieces, headers=sent)


def raw_post(stack: Stack, headers: Mapping[str, str]) -> socket.socket:
    """Open a connection and send the head of a `POST /media` on it."""
    edge = urlsplit(stack.info["edge"])
    connection = socket.create_connection((edge.hostname or "", edge.port or 0), timeout=10)
    named = {"Host": edge.netloc, "Authorization": f"Bearer {stack.key}"} | dict(headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    connection.sendall(f"POST {API}/media HTTP/1.1\r\n{lines}\r\n".encode())
    return connection
