"""Where a device connects to, and with what."""

import os
from pathlib import Path

import pytest

from device_sdk.credentials import MQTTS_PORT, Credentials, TlsSource
from iotsphere.errors import Misconfigured
from tests.support.pki import Pki


def test_what_is_written_is_read_and_meant_from_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_bytes(Credentials.of("d", "mqtts://iot.example:8884", device_type="pump").to_json())
    assert Credentials.load(tmp_path, "d") == Credentials(
        "d", "iot.example", 8884, tmp_path / "ca.crt", tmp_path / "d.crt", tmp_path / "d.key", "pump"
    )
    assert Credentials.of("d", "mqtts://h").port == MQTTS_PORT


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("{}")
    with pytest.raises(Misconfigured, match=r"d\.json"):
        Credentials.load(tmp_path, "d")


def test_a_renewed_certificate_is_used_and_an_unchanged_one_not_read_again(pki: Pki) -> None:
    pki.issue("d")
    source = TlsSource(Credentials.of("d", "", pki.directory))
    first = source.context()
    assert source.context() is first
    pki.issue("d")
    os.utime(pki.directory / "d.crt", ns=(1, 1))
    assert source.context() is not first
    (pki.directory / "d.key").unlink()
    with pytest.raises(Misconfigured, match=r"d\.key"):
        source.context()
