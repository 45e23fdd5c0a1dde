"""Reading makes nothing."""

from pathlib import Path

import pytest

from certs.authority import open_authority
from iotsphere.errors import Misconfigured
from launcher import installed
from launcher.home import Home


def test_an_empty_home_does_not_get_an_authority(tmp_path: Path) -> None:
    home = Home(tmp_path / "mistyped")
    with pytest.raises(Misconfigured, match="mistyped holds no installation"):
        installed.authority(home)
    assert not home.root.exists()


def test_an_installation_s_authority_is_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    made = open_authority(home.certs)
    assert installed.authority(home).certificate == made.certificate
