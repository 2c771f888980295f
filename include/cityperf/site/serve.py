"""The site of the release that is up, over HTTP on this machine, with the headers that a public host should send.

`/` is the release's site, `/status/` the files that follow the database (see release_files.py). A public web server needs
these two folders, these headers and nothing else.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cityperf.site.release_files import STATUS

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-cache",  # by ETag: a new release is seen at once
}


mimetypes.add_type("application/atom+xml", ".atom")
mimetypes.add_type("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx")


def app(site: Path, status: Path) -> Starlette:
    """The application. Both folders may change while it runs: a new release is served as soon as it is up."""

    async def first(request: Request) -> Response:
        french = request.headers.get("accept-language", "").lower().startswith("fr")
        return RedirectResponse(
            "/fr/index.html" if french else "/en/index.html", headers={"vary": "accept-language"}
        )

    return Starlette(
        routes=[
            Route("/", first),
            Mount(f"/{STATUS}", StaticFiles(directory=status, check_dir=False)),
            Mount("/", StaticFiles(directory=site, check_dir=False)),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_with_headers)],
    )


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers.update(HEADERS)
    return response


def serve(site: Path, status: Path, port: int) -> None:
    """Serve until stopped, on 127.0.0.1 only."""
    import uvicorn

    uvicorn.run(app(site, status), host="127.0.0.1", port=port, log_level="warning")
