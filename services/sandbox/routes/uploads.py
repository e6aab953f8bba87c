"""Resumable uploads: where the sample files of template headers go; the answer is the handle a template names."""

import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.sandbox.checks.shapes import required
from services.sandbox.errors import GraphError, bad_parameter, unknown_object
from services.sandbox.graph_http import body_of, who
from services.sandbox.world import World

LARGEST = 100 * 1024 * 1024  # bytes, the ceiling of any file


@dataclass
class Upload:
    """One session: how many bytes are promised, and how many came."""

    app_id: str
    length: int
    received: int = 0


class UploadRoutes:
    """POST /{app id}/uploads, then GET and POST /upload:...; sessions live as long as the process, the bytes do not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, Upload] = {}

    async def begin(self, request: Request) -> Response:
        """Open a session for a file of a length, type and name."""
        token, app_id = who(self._world, request), request.path_params["object_id"]
        if app_id not in self._world.apps or token.app_id != app_id:
            raise unknown_object("post", app_id)
        body = await body_of(request)
        length = str(required(body, "", "file_length"))
        required(body, "", "file_type")
        if not length.isdigit() or not 0 < int(length) <= LARGEST:
            raise bad_parameter(f"Param file_length must be between 1 and {LARGEST}.")
        session = "upload:" + secrets.token_urlsafe(24)
        self._sessions[session] = Upload(app_id, int(length))
        return JSONResponse({"id": session})

    async def state(self, request: Request) -> Response:
        """Tell how far a session is."""
        session, upload = self._session(request)
        return JSONResponse({"id": session, "file_offset": upload.received})

    async def send(self, request: Request) -> Response:
        """Take bytes from `file_offset` on; once all are there, answer with the handle."""
        session, upload = self._session(request)
        if request.headers.get("file_offset") != str(upload.received):
            raise GraphError(100, "(#100) The file_offset does not match the state of the upload session.")
        async for chunk in request.stream():
            upload.received += len(chunk)
            if upload.received > upload.length:
                raise bad_parameter("More bytes than file_length came.")
        if upload.received < upload.length:
            return JSONResponse({"id": session, "file_offset": upload.received})
        return JSONResponse({"h": "4::" + secrets.token_urlsafe(48)})

    def _session(self, request: Request) -> tuple[str, Upload]:
        token = who(self._world, request)
        session = "upload:" + request.path_params["session"]
        upload = self._sessions.get(session)
        if upload is None or upload.app_id != token.app_id:
            raise unknown_object(request.method, session)
        return session, upload
