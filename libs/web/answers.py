"""Answers in JSON, made without a framework's encoder: documents hold text, numbers, times and None."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pydantic_core
from starlette.responses import Response

from libs.runtime.clock import rfc3339


class Answer(Response):
    """An answer whose headers are put together by hand: Starlette's way costs as much as reading the request."""

    def __init__(
        self, body: bytes = b"", status_code: int = 200, headers: Mapping[str, str] | None = None, media: bytes = b""
    ) -> None:
        self.status_code = status_code
        self.body = body
        self.background = None
        self.media_type = media.decode() or None
        self.raw_headers = [(b"content-length", str(len(body)).encode())]
        if media:
            self.raw_headers.append((b"content-type", media))
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))


class JsonAnswer(Answer):
    """A JSON answer; times are printed as RFC 3339 in UTC."""

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(to_json(content), status_code, headers, b"application/json")


def to_json(content: Any) -> bytes:
    """Print a document as JSON bytes in UTF-8."""
    return _encode(content).encode("utf-8", "replace")


class PlainAnswer(Answer):
    """A JSON answer of text, numbers and None, times already printed: ten times as cheap, for the hot routes."""

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(pydantic_core.to_json(content), status_code, headers, b"application/json")


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
