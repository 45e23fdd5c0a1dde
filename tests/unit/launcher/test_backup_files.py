"""What of a backup file is written into a home."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from iotsphere.errors import Misconfigured
from launcher import backup
from launcher.home import Home


def archive(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w") as written:
        for name, content in {backup.DUMP: b"dump", **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o777
            written.addfile(entry, io.BytesIO(content))
    return path


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    source = archive(tmp_path / "b.tar", **{"certs/root.key": b"key", "secrets/jwt": b"s", "elsewhere": b"no"})
    dump = backup.restore_files(home, source)
    assert dump.read_bytes() == b"dump"
    assert (home.root / "certs" / "root.key").read_bytes() == b"key"
    assert (home.root / "certs" / "root.key").stat().st_mode & 0o777 == 0o600
    assert not (home.root / "elsewhere").exists()


def test_nothing_is_written_outside_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(Misconfigured, match="lies outside"):
        backup.restore_files(home, archive(tmp_path / "b.tar", **{"certs/../../evil": b"x"}))
    assert not (tmp_path / "evil").exists()


def test_directories_are_the_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    before = os.umask(0o022)
    try:
        backup.restore_files(home, archive(tmp_path / "b.tar", **{"certs/old/root.key": b"key", "secrets/jwt": b"s"}))
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in (home.root, home.certs, home.secrets)} == {
        "home": 0o700, "certs": 0o700, "secrets": 0o700,
    }  # fmt: skip


def test_secrets_of_a_start_that_failed_are_in_nobody_s_way(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.secret("postgres-password")
    backup.check_empty(home)
    backup.restore_files(home, archive(tmp_path / "b.tar", **{"secrets/postgres-password": b"restored"}))
    assert home.secret("postgres-password") == "restored"


@pytest.mark.parametrize("name", ["certs/ca.crt", "certs/root.key", "postgres/data/PG_VERSION"])
def test_an_installation_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("")
    with pytest.raises(Misconfigured, match="already has an installation"):
        backup.check_empty(Home(tmp_path))
