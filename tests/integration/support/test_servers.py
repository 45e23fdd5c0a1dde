"""Test servers find a port of their own."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers

pytestmark = pytest.mark.integration


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port that free_port() names first; somebody else has it by then."""
    really_free = servers.free_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        answers = iter([port])
        monkeypatch.setattr(servers, "free_port", lambda: next(answers, 0) or really_free())
        yield port


@pytest.mark.parametrize("kind", [servers.ValkeyServer, servers.PostgresServer])
def test_a_port_that_was_taken_meanwhile_is_left_for_another(
    tmp_path: Path, taken: int, kind: type[servers.ValkeyServer] | type[servers.PostgresServer]
) -> None:
    server = kind(tmp_path)
    server.start()
    try:
        assert server._answers()
        assert str(taken) not in " ".join(server._command)
    finally:
        server.stop()


def test_a_port_that_was_given_stays(tmp_path: Path, taken: int) -> None:
    with pytest.raises(TimeoutError, match="ended with"):
        servers.ValkeyServer(tmp_path, taken).start()
