"""Serves the built dashboard: hashed assets for ever, index.html never from a cache, unknown paths get the index."""

import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from cloud_api.asgi import Receive, Scope, Send

IMMUTABLE = "public, max-age=31536000, immutable"
SHORT = "public, max-age=3600"
MIN_COMPRESSED = 1024
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>IoTSphere: dashboard not built</title>
<h1>The dashboard is not built</h1>
<p>The API works. To build the dashboard, run <code>make install</code> in the source tree (it needs Node 20.19 or newer,
or the network to fetch one), or install a release wheel, which brings the dashboard along. Then reload this page.</p></html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory; ``packed`` is its gzip form, b"" when that is not worth it."""

    content: bytes
    packed: bytes
    media_type: str
    cache: str


class Dashboard:
    """An ASGI application over one directory, read into memory and read again when index.html changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._assets: dict[str, Asset] = {}
        self._stamp: tuple[int, int] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, Asset(b"", b"", "text/plain", "no-store"), head=False, gzipped=False)
            return
        status, asset = self._find(scope["path"])
        gzipped = b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b"")
        await _answer(send, status, asset, head=scope["method"] == "HEAD", gzipped=gzipped)

    def _find(self, path: str) -> tuple[int, Asset]:
        self._refresh()
        name = path.lstrip("/") or "index.html"
        if name in self._assets:
            return 200, self._assets[name]
        if name.startswith("assets/") or "index.html" not in self._assets:
            return self._missing(name)
        return 200, self._assets["index.html"]

    def _missing(self, name: str) -> tuple[int, Asset]:
        if name.startswith("assets/"):  # never the index: a browser would take it for a script
            return 404, Asset(b"not found", b"", "text/plain", "no-store")
        return 200, Asset(NOT_BUILT.encode(), b"", "text/html; charset=utf-8", "no-store")

    def _refresh(self) -> None:
        try:
            stat = (self._directory / "index.html").stat()
        except OSError:
            self._assets, self._stamp = {}, None
            return
        if (stamp := (stat.st_mtime_ns, stat.st_size)) != self._stamp:
            self._assets, self._stamp = load(self._directory), stamp


def load(directory: Path) -> dict[str, Asset]:
    """Every file of the directory by its path below it."""
    return {
        path.relative_to(directory).as_posix(): _asset(path.relative_to(directory).as_posix(), path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file()
    }


def _asset(name: str, content: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    media_type = {"text/javascript": "application/javascript"}.get(media_type, media_type)
    text = media_type.startswith(_COMPRESSIBLE)
    cache = "no-cache" if name == "index.html" else IMMUTABLE if name.startswith("assets/") else SHORT
    packed = gzip.compress(content, 9, mtime=0) if text and len(content) >= MIN_COMPRESSED else b""
    return Asset(content, packed, f"{media_type}; charset=utf-8" if text else media_type, cache)


async def _answer(send: Send, status: int, asset: Asset, *, head: bool, gzipped: bool) -> None:
    packed = gzipped and bool(asset.packed)
    body = asset.packed if packed else asset.content
    headers = [
        (b"content-type", asset.media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", asset.cache.encode()),
        (b"vary", b"accept-encoding"),
        *([(b"content-encoding", b"gzip")] if packed else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body, "more_body": False})
