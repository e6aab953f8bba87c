from typing import Any

import pytest
from starlette.requests import Request

from libs.web.errors import BadRequest, Invalid, WrongMediaType
from libs.web.multipart import ClientGone, FormUpload

HEAD = (
    b'--bound\r\nContent-Disposition: form-data; name="file"; filename="../x/a.png"\r\nContent-Type: image/png\r\n\r\n'
)
FIELD = b'--bound\r\nContent-Disposition: form-data; name="number"\r\n\r\n42\r\n'
CONTENT = b"\r\n--almost\r\n--boun but not its end\r\n--"
END = b"\r\n--bound--\r\n"


def request_of(
    body: bytes,
    step: int,
    *,
    length: bool = True,
    kind: str = "multipart/form-data; boundary=bound",
    gone: bool = False,
) -> Request:
    pieces = [body[at : at + step] for at in range(0, len(body), step)] or [b""]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": place + 1 < len(pieces)}
        for place, piece in enumerate(pieces)
    ]
    if gone:
        messages[-1] = {"type": "http.disconnect"}
    coming = iter(messages)

    async def receive() -> Any:
        return next(coming)

    headers = [(b"content-type", kind.encode())] + ([(b"content-length", str(len(body)).encode())] if length else [])
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}, receive)


async def taken(upload: FormUpload) -> bytes:
    content = b"".join([chunk async for chunk in upload.chunks()])
    await upload.rest()
    return content


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
async def test_a_form_is_read_however_it_is_cut(step: int) -> None:
    upload = FormUpload(request_of(FIELD + HEAD + CONTENT + END, step), ["number"])
    file = await upload.file()
    assert (file.name, file.declared, file.most) == ("a.png", "image/png", len(CONTENT) + 2)
    assert upload.fields == {"number": "42"}
    assert await upload.head(5) == CONTENT[:5]
    assert await taken(upload) == CONTENT


@pytest.mark.parametrize("step", [1, 5, 10_000])
async def test_fields_behind_the_file_are_read_at_the_end(step: int) -> None:
    upload = FormUpload(request_of(HEAD + CONTENT + b"\r\n" + FIELD[:-2] + END, step, length=False), ["number"])
    assert (await upload.file()).most is None
    assert await taken(upload) == CONTENT
    assert upload.fields == {"number": "42"}


async def test_the_longest_that_a_file_can_be_is_never_too_short() -> None:
    for behind in (END, END[:-2], b"\r\n" + FIELD[:-2] + END):
        upload = FormUpload(request_of(HEAD + CONTENT + behind, 50), ["number"])
        most = (await upload.file()).most
        assert most is not None
        assert most >= len(CONTENT)
        assert await taken(upload) == CONTENT


@pytest.mark.parametrize("cut", [len(HEAD) - 5, len(HEAD) + 3, len(HEAD) + len(CONTENT) + 4])
async def test_a_form_that_ends_early_is_refused(cut: int) -> None:
    upload = FormUpload(request_of((HEAD + CONTENT + END)[:cut], 10_000), ["number"])

    async def read() -> None:
        await upload.file()
        await taken(upload)

    with pytest.raises(BadRequest):
        await read()


async def test_a_client_that_goes_away_is_noticed() -> None:
    upload = FormUpload(request_of(HEAD + CONTENT + END, 64, gone=True), ["number"])
    await upload.file()
    with pytest.raises(ClientGone):
        await taken(upload)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"), (b"", ""), (b"a=b", "application/x-www-form-urlencoded"),
        (HEAD, "multipart/form-data"), (HEAD, f"multipart/form-data; boundary={'b' * 71}"),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises((WrongMediaType, BadRequest)):
        FormUpload(request_of(body, 10, kind=kind), [])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (FIELD + FIELD + HEAD, "number"), (FIELD.replace(b"number", b"colour"), "colour"), (FIELD[:-2] + END, "file"),
        (FIELD.replace(b"42", b"4" * 1025) + HEAD, "number"),
    ],
)  # fmt: skip
async def test_wrong_fields_are_named(body: bytes, param: str) -> None:
    upload = FormUpload(request_of(body, 10_000), ["number"])
    with pytest.raises(Invalid) as refused:
        await upload.file()
    assert refused.value.param == param


async def test_little_may_follow_a_file() -> None:
    upload = FormUpload(request_of(HEAD + CONTENT + END + b" " * 5000, 100), ["number"])
    await upload.file()
    with pytest.raises(BadRequest):
        await taken(upload)
