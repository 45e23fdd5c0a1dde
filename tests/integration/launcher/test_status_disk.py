"""The disk in `iotsphere status`, from what `edge` answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from launcher import status
from launcher.home import Home


@contextmanager
def answering(code: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("code", "ok", "days", "paused"), [(200, True, 12.5, False), (503, False, 0.0, True)], ids=["room", "nearly full"]
)
def test_it_tells_what_the_guard_of_the_disk_says(tmp_path: Path, code: int, ok: bool, days: float, paused: bool) -> None:
    body = json.dumps({"ready": ok, "parts": {"disk": {"ok": ok, "free": 1, "days_left": days}}}).encode()
    with answering(code, body) as edge:
        found = status.disk(Home(tmp_path), edge)
    assert (found.days_left, found.paused) == (days, paused)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"parts": {}}'])
def test_an_answer_without_sense_tells_nothing(tmp_path: Path, body: bytes) -> None:
    with answering(200, body) as edge:
        found = status.disk(Home(tmp_path), edge)
    assert (found.days_left, found.paused) == (None, False)


def test_a_paused_intake_is_an_alarm_for_people() -> None:
    disk = {"used": 1, "free": 1, "days_left": None, "paused": True}
    found = status.Status(False, {}, "", {}, {"edge": {"state": "unready", "pid": 1, "restarts": 0}}, disk)
    assert "ALARM" in status.render(found)
