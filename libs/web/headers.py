"""Reading one header of a request off the scope: Starlette's mapping of all of them costs as much as reading a body."""

from starlette.requests import Request


def header(request: Request, name: bytes) -> bytes | None:
    """Return the first header of that (lower-case) name, None where there is none."""
    for found, value in request.scope["headers"]:
        if found == name:
            return bytes(value)
    return None
