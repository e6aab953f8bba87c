"""A FastAPI application with our error shape in place of the framework's."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response

from libs.web.bodies import refusal
from libs.web.door import crash_answer, error_answer
from libs.web.errors import ApiError, BadRequest, NotFound


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


# Ours is libs/observability/tracing.py. The framework's would send what requests and exceptions say, and could be
# switched on by a variable of the environment.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_api(title: str, description: str, **options: Any) -> FastAPI:
    """Return a FastAPI app whose every error, routing's and validation's included, has our shape."""
    api = FastAPI(
        title=title, description=description, version="1", redirect_slashes=False, telemetry=_NO_TELEMETRY, **options
    )
    api.add_exception_handler(ApiError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _routing)
    api.add_exception_handler(Exception, _crashed)
    return api


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  # for the type checker: registered for ApiError
    return error_answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    problems = [{**problem, "loc": _place(problem["loc"])} for problem in error.errors()]
    if any(problem["type"] == "json_invalid" for problem in problems):
        return error_answer(request, BadRequest("The body is not JSON.", code="not_json"))
    return error_answer(request, refusal(problems))


def _place(place: tuple[Any, ...]) -> tuple[Any, ...]:
    return place[1:] if place and place[0] in ("body", "query", "path", "header") else place


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    if error.status_code == 405:
        return error_answer(request, MethodNotAllowed(f"{request.method} is not allowed here."))
    return error_answer(request, NotFound("There is nothing at this path.", code="no_such_path"))


async def _crashed(request: Request, error: Exception) -> Response:
    return crash_answer(request, error)
