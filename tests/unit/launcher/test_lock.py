"""One `up` a home."""

from pathlib import Path

import pytest

from iotsphere.errors import HomeInUse
from launcher.lock import HomeLock, holder


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "up.lock"
    first = HomeLock(path)
    first.acquire()
    with pytest.raises(HomeInUse, match=r"pid \d+"):
        HomeLock(path).acquire()
    first.release()
    assert holder(path) is None
    stale = tmp_path / "state.json"
    stale.write_text("of a killed holder")
    again = HomeLock(path)
    again.acquire([stale])
    assert not stale.exists()
    assert holder(path) is not None
    again.release()
