"""The page's files, which are few: read when the server starts, so that no request names a path on the disk."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_INDEX = "index.html"


@dataclass(frozen=True)
class PageFile:
    """One file, as it is answered."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str

    async def answer(self, request: Request) -> Response:
        """The file, or that the asker has it already."""
        # Asked for each time, and sent only where it has changed: a page and its modules are of one version.
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = self.content_type
        if len(self.packed) < len(self.body) and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers={**headers, "Content-Encoding": "gzip"})
        return Response(self.body, headers=headers)


def page_routes() -> list[Route]:
    """A route for each file of the page, for the page itself, and for the client that others may use, too."""
    found = dict(_files_in(files("core.gateway").joinpath("page"), "/"))
    found |= {path: file for path, file in _files_in(files("rtp_client").joinpath("js"), "/") if path == "/rtp.js"}
    if f"/{_INDEX}" in found:
        found["/"] = found[f"/{_INDEX}"]
    return [Route(path, file.answer) for path, file in found.items()]


def _files_in(folder: Traversable, place: str) -> Iterator[tuple[str, PageFile]]:
    for item in folder.iterdir() if folder.is_dir() else ():
        if item.is_dir():
            yield from _files_in(item, f"{place}{item.name}/")
            continue
        content_type = _TYPES.get("." + item.name.rpartition(".")[2])
        if content_type:
            body = item.read_bytes()
            etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'  # of what it says, packed or not
            yield f"{place}{item.name}", PageFile(body, gzip.compress(body), content_type, etag)
