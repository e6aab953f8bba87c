"""Answers in JSON, made without a framework's encoder: documents hold text, numbers, times and None."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from libs.runtime.clock import rfc3339


class JsonAnswer(Response):
    """A JSON answer; times are printed as RFC 3339 in UTC."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(to_json(content), status_code, headers)


def to_json(content: Any) -> bytes:
    """Print a document as JSON bytes in UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_plain).encode("utf-8", "replace")


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
