"""What `device add` writes and prints."""

import json
from pathlib import Path

import pytest

from certs.issue import issue_client
from iotsphere.errors import Misconfigured
from iotsphere.identity import identity
from launcher import credentials
from tests.support.pki import Pki


def test_a_directory_that_cannot_be_written_is_found_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be written"):
        credentials.must_be_writable(tmp_path / "file" / "out")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone" / "away")
    with pytest.raises(Misconfigured, match="cannot be written"):
        credentials.must_be_writable(tmp_path / "nowhere")


def test_looking_whether_a_directory_can_be_written_makes_nothing(tmp_path: Path) -> None:
    credentials.must_be_writable(tmp_path)
    credentials.must_be_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_files_for_a_device(tmp_path: Path, pki: Pki) -> None:
    issued = issue_client(pki.authority, identity("default", "device", "d-1"))
    out = tmp_path / "out"
    printed = credentials.write(issued, pki.authority, out, "d-1", "some_type", "mqtts://broker.example:8883")
    assert (printed.host, printed.port) == ("broker.example", 8883)
    assert Path(printed.key) == out / "d-1.key"
    assert json.loads((out / "d-1.json").read_text()) == {
        "id": "d-1", "host": "broker.example", "port": 8883, "ca": "ca.crt", "certificate": "d-1.crt", "key": "d-1.key",
        "device_type": "some_type",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    ca = pki.authority.ca_file.read_bytes()
    assert credentials.is_complete(out, "d-1", ca)
    assert not credentials.is_complete(out, "d-1", b"another authority")
    (out / "d-1.key").unlink()
    assert not credentials.is_complete(out, "d-1", ca)
