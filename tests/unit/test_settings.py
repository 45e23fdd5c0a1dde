"""Settings come from the environment alone."""

import pytest
from pydantic import ValidationError

from iotsphere.settings import Settings


def test_loopback_unless_a_public_host_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IOTSPHERE_PUBLIC_HOST", raising=False)
    assert Settings().bind_host == "127.0.0.1"
    monkeypatch.setenv("IOTSPHERE_PUBLIC_HOST", "iot.example.org, 10.0.0.7")
    assert Settings().public_host == ("iot.example.org", "10.0.0.7")
    assert Settings().bind_host == "0.0.0.0"


def test_an_origin_is_what_a_browser_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTSPHERE_WSS_ORIGINS", "https://Panel.example, http://localhost:3000")
    assert Settings().wss_origins == ("https://panel.example", "http://localhost:3000")
    for wrong in ("panel.example", "https://panel.example/", "*", "null"):
        monkeypatch.setenv("IOTSPHERE_WSS_ORIGINS", wrong)
        with pytest.raises(ValidationError, match="is not an origin"):
            Settings()


def test_a_port_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTSPHERE_HTTP_PORT", "70000")
    with pytest.raises(ValidationError, match="http_port"):
        Settings()
