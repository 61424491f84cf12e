"""The built page: files of one folder, or where it is not built a plain page that says how to build it."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

IMMUTABLE = "public, max-age=31536000, immutable"
"""For files with a digest in their name."""
FRESH = "no-cache"
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Vigil</title>
<h1>Vigil runs, but its page is not built</h1><p>Run <code>make page</code>, then load this again.</p></html>
"""
_KINDS = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


def security_headers(connect: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Headers of every response; ``connect``: the origins of the two sockets (``ws://HOST:PORT``)."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": " ".join(("'self'", *connect)),
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def router_of(folder: Path) -> APIRouter:
    """Routes of the page's files; looked up at each request, so that a page built later is served."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index() -> Response:
        return _file(folder, "index.html") or HTMLResponse(UNBUILT, headers={"cache-control": FRESH})

    @router.get("/{path:path}")
    async def file(path: str) -> Response:
        found = _file(folder, path)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        return found

    return router


def _file(folder: Path, path: str) -> FileResponse | None:
    """A file inside ``folder``, or None; nothing outside it, whatever the path and whatever links say."""
    root = folder.resolve()
    try:
        wanted = (root / path).resolve()
        if not wanted.is_relative_to(root) or not wanted.is_file():
            return None
    except (OSError, ValueError):
        return None
    kind = _KINDS.get(wanted.suffix) or mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
    caching = IMMUTABLE if wanted.is_relative_to(root / "assets") else FRESH
    return FileResponse(wanted, media_type=kind, headers={"cache-control": caching})
