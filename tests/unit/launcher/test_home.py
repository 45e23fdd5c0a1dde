"""The state directory is its owner's alone."""

import os
from pathlib import Path

import pytest

from iotsphere.errors import Misconfigured
from launcher.home import Home, write_private


def test_everything_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "home")
    home.prepare()
    assert {path.stat().st_mode & 0o777 for path in (home.root, *home.root.iterdir())} == {0o700}
    secret = home.secret("jwt")
    assert home.secret("jwt") == secret
    assert len(secret) >= 32
    assert (home.secrets / "jwt").stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_private(path, "one")
    write_private(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_root_does_not_take_somebody_s_home(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir()
    os.chown(root, 65534, 65534)
    with pytest.raises(Misconfigured, match="belongs to another user"):
        Home(root).prepare()


def test_a_home_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="IOTSPHERE_HOME"):
        Home(tmp_path / "file" / "home").prepare()
