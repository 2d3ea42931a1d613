"""Serves files that do not change while the process lives, under names that tell their content."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

PREFIX: Final = "/static"
MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
ALWAYS: Final = "public, max-age=31536000, immutable"
"""A year: another content has another name."""

ASK_AGAIN: Final = "public, no-cache"
_SMALL: Final = 1024
_HASH_DIGITS: Final = 16

Serve = Callable[[web.Request], Awaitable[web.Response]]


class StaticFiles:
    """The files of one folder, read once; each has the hash of its content in its name."""

    def __init__(self, folder: Path) -> None:
        """ValueError for a file of whose kind nobody knows the media type."""
        self._paths: dict[str, str] = {}
        self._serve: dict[str, Serve] = {}
        for file in sorted(folder.iterdir()):
            if file.suffix not in MEDIA:
                raise ValueError(f"no media type for {file.name}")
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
            path = f"{PREFIX}/{file.stem}.{digest}{file.suffix}"
            self._paths[file.name] = path
            self._serve[path] = serve_content(content, MEDIA[file.suffix], cache=ALWAYS)

    def path(self, name: str) -> str:
        """Give the path under which a file of the folder is served; KeyError."""
        return self._paths[name]

    def routes(self) -> list[web.RouteDef]:
        """Serve all files of the folder."""
        return [web.get(path, serve) for path, serve in self._serve.items()]


def serve_content(content: bytes, media: str, *, cache: str = ASK_AGAIN) -> Serve:
    """Make what serves these bytes, packed for who can unpack them, or says that they are known."""
    tag = hashlib.sha256(content).hexdigest()[:32]
    headers = {
        hdrs.CONTENT_TYPE: media,
        hdrs.ETAG: f'"{tag}"',
        hdrs.CACHE_CONTROL: cache,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    packed = gzip.compress(content, mtime=0) if len(content) > _SMALL else None

    async def serve(request: web.Request) -> web.Response:
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        if packed is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            return web.Response(body=packed, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
        return web.Response(body=content, headers=headers)

    return serve
