"""HTTP/1.1 with bounds on what comes before anybody can be asked who he is: httptools itself takes a head of any length."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol; a request line and headers (trailers too) that are too large or too slow end the connection.

    Attributes:
        head_bytes: of URL, names and values, and of what has come since the last beginning of a request or piece of a body:
            httptools tells of a header when it is whole. So at most this and one read are held. Policy: 431.
        head_seconds: from the connection, or from the first byte behind an answer, to the end of the headers. Policy: 408.
        linger_seconds: so long what still comes is read over behind a refusal, as closing at once would take it back.
    """

    head_bytes = 64 * 1024
    head_seconds = 10.0
    linger_seconds = 1.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._told = 0  # bytes of this request's URL and headers
        self._untold = 0  # bytes since the last beginning or piece of a body
        self._refused = False
        self._late: asyncio.TimerHandle | None = None

    # ── the connection ─────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock runs from here."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then look whether there is too much without an end."""
        if self._refused:
            return
        self._untold += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing() or self.transport.get_protocol() is not self:  # a WebSocket by now
            return
        if self._untold > self.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._late is None and self._waits_for_head():
            self._start_clock()

    # ── what the parser tells ──────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A request line begins."""
        self._in_head, self._told, self._untold = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header or trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body, whose bound is the application's."""
        self._untold = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped, by itself or because of us."""
        too_large = self._told > self.head_bytes
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST)

    # ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, size: int) -> None:
        self._told += size
        if self._told > self.head_bytes:
            raise ValueError("the head is too large")  # stops the parser, which has send_400_response called

    def _waits_for_head(self) -> bool:
        answered = self.cycle is not None and self.cycle.response_complete
        return self._in_head or (answered and self.timeout_keep_alive_task is None)

    def _start_clock(self) -> None:
        self._late = self.loop.call_later(self.head_seconds, self._on_late)

    def _stop_clock(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _on_late(self) -> None:
        if self._answers():  # to an earlier request: meanwhile this one may stand unread
            self._start_clock()
        elif self._in_head and self.headers is not None:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()  # nobody has asked anything

    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: HTTPStatus) -> None:
        self._refused = True
        self._stop_clock()
        if self._answers():
            self.transport.close()
            return
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(status.phrase)
        self.transport.write(STATUS_LINE[status] + head + status.phrase.encode())
        self.transport.write_eof()
        self.loop.call_later(self.linger_seconds, self.transport.close)
