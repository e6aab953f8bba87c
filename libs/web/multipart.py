"""A form with one file, read while it arrives: its fields are short and kept, the file's bytes are passed on."""

from collections import deque
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from libs.web.errors import BadRequest, FieldProblem, Invalid, WrongMediaType

FIELD_LIMIT = 1024  # bytes of a field's value: our fields are ids
NAME_LIMIT = 240  # characters of a file's name: what file systems take, less an extension of ours
AFTER_FILE = 4096  # bytes that may follow the file's own: fields that a client puts behind it


class ClientGone(BadRequest):
    """The connection was closed before the body was complete; nobody reads the answer."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """What is known of the file before its first byte.

    `most` is the number of bytes it can have at most: exact to the few bytes that may follow it; None where the
    request does not say how long it is.
    """

    name: str
    declared: str
    most: int | None


class FormUpload:
    """Takes a multipart form apart while it comes. First `file()`, then `chunks()` to their end, then `rest()`.

    Raises WrongMediaType for a body that is no form, BadRequest for one that cannot be read, Invalid for fields that
    are unknown, too long, given twice or missing, and ClientGone.
    """

    def __init__(self, request: Request, fields: Collection[str], file_field: str = "file") -> None:
        self.fields: dict[str, str] = {}
        self._allowed = fields
        self._file_field = file_field
        self._receive = request.receive
        boundary = _boundary(request)
        length = request.headers.get("content-length", "")
        self._length = int(length) if length.isascii() and length.isdigit() else None
        self._closing = len(boundary) + 6  # bytes of the last delimiter: CRLF, two dashes on either side
        self._file: FormFile | None = None
        self._file_ended = self._ended = self._body_ended = False
        self._data: deque[bytes] = deque()
        self._fed = self._after = 0
        self._part = self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part,
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_head,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    async def file(self) -> FormFile:
        """Read up to the file's first byte."""
        while self._file is None and await self._more():
            pass
        if self._file is None:
            self._check_ended()
            raise _problem(self._file_field, "This field is required: the file.", "missing_field")
        return self._file

    async def head(self, size: int) -> bytes:
        """Return the file's first bytes without taking them: `size` of them, fewer where the file has no more."""
        while sum(map(len, self._data)) < size and not self._file_ended and await self._more():
            pass
        return b"".join(self._data)[:size]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes as they arrive, one read of the connection at a time."""
        while True:
            while self._data:
                yield self._data.popleft()
            if self._file_ended or not await self._more():
                break
        while self._data:
            yield self._data.popleft()
        if not self._file_ended:
            self._check_ended()

    async def rest(self) -> None:
        """Read what stands behind the file: further fields, then the end."""
        while await self._more():
            pass
        self._check_ended()

    def _check_ended(self) -> None:
        if not self._ended:
            raise BadRequest("The form ends before its last boundary.", code="not_multipart")

    async def _more(self) -> bool:
        """Feed the parser with what arrives next; -> whether there was something."""
        if self._body_ended:
            return False
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The connection was closed before the body was complete.")
        self._body_ended = not message.get("more_body", False)
        self._feed(message.get("body", b""))
        return True

    def _feed(self, data: bytes) -> None:
        if self._file_ended:
            self._after += len(data)
            if self._after > AFTER_FILE:
                raise BadRequest(f"At most {AFTER_FILE} bytes may follow the file.", code="not_multipart")
        try:
            # Line by line up to the file, so that the place of its first byte is known: a part's head ends with a line.
            while self._file is None and data:
                end = data.find(b"\n") + 1 or len(data)
                self._fed += end
                self._parser.write(data[:end])
                data = data[end:]
            if data:
                self._parser.write(data)
        except MultipartParseError:
            raise BadRequest("The body is not a multipart form.", code="not_multipart") from None

    # -- what the parser says

    def _on_part(self) -> None:
        self._headers, self._part = {}, b""

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_head(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._part = options.get(b"name", b"")
        name = self._part.decode("utf-8", "replace")
        if name == self._file_field and self._file is None:
            most = None if self._length is None else max(0, self._length - self._fed - self._closing)
            declared = self._headers.get(b"content-type", b"").decode("latin-1")
            self._file = FormFile(_file_name(options.get(b"filename", b"")), declared, most)
        elif name == self._file_field or name in self.fields:
            raise _problem(name, "This field is given twice.")
        elif name not in self._allowed:
            known = ", ".join((self._file_field, *self._allowed))
            raise _problem(name[:64] or "body", f"This field is not known; there are {known}.", "unknown_field")
        else:
            self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == self._file_field.encode():
            self._data.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > FIELD_LIMIT:
            raise _problem(self._part.decode("utf-8", "replace"), f"May have at most {FIELD_LIMIT} bytes.")

    def _on_part_end(self) -> None:
        if self._part == self._file_field.encode():
            self._file_ended = True
            return
        self.fields[self._part.decode("utf-8", "replace")] = self._value.decode("utf-8", "replace")
        self._value = b""

    def _on_end(self) -> None:
        self._ended = True


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise WrongMediaType("Send a multipart/form-data body with the file in the field `file`.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046
        raise BadRequest("The Content-Type has no boundary of 1 to 70 characters.", code="not_multipart")
    return boundary


def _file_name(raw: bytes) -> str:
    """Return a file's name without folders, quotes and control characters: it goes into a header again."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in name if char.isprintable() and char not in '"')[:NAME_LIMIT]


def _problem(name: str, words: str, code: str = "invalid_field") -> Invalid:
    return Invalid(f"{name}: {words}", code=code, param=name, errors=[FieldProblem(name, words)])


def form_schema(fields: dict[str, str]) -> dict[str, object]:
    """Describe such a form for the API document: the file, and its other fields with a sentence each."""
    file = {"type": "string", "format": "binary", "description": "The file, streamed."}
    others: dict[str, object] = {name: {"type": "string", "description": words} for name, words in fields.items()}
    schema = {"type": "object", "required": ["file"], "properties": others | {"file": file}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
