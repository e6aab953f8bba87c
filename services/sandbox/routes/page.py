"""The page to look at: its files, and the events that keep it up to date."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from services.sandbox.watching import TooManyStreams, Watching

FILES = Path(__file__).parents[1] / "page"
INDEX = "index.html"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# The page loads nothing from elsewhere, and runs no script but its own, whatever a message says.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
}  # fmt: skip


class PageRoutes:
    """`/_sandbox/`, its files, and its events."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/_sandbox", self.index, methods=["GET"]),
            Route("/_sandbox/", self.index, methods=["GET"]),
            Route("/_sandbox/page/{name}", self.file, methods=["GET"]),
            Route("/_sandbox/events", self.events, methods=["GET"]),
        ]

    async def index(self, _: Request) -> Response:
        """Answer the page itself."""
        return FileResponse(FILES / INDEX, media_type=TYPES[".html"], headers=HEADERS)

    async def file(self, request: Request) -> Response:
        """Answer one of its files."""
        found = {path.name: path for path in FILES.iterdir()}.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "no such file")
        return FileResponse(found, media_type=TYPES[found.suffix], headers=HEADERS)

    async def events(self, request: Request) -> Response:
        """Stream what changes, as server-sent events; `phone` names the one whose conversations are told."""
        phone = request.query_params.get("phone", "").lstrip("+")
        try:
            events = self._watching.stream(phone)
        except TooManyStreams:
            raise HTTPException(503, "as many pages are open as may be") from None
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
