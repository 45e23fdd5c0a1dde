"""Durability as `iotsphere doctor` judges it."""

import pytest

from launcher.doctor_stores import durability

ON = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def test_everything_on_is_well() -> None:
    assert durability(ON).level == "ok"
    assert durability({**ON, "synchronous_commit": "remote_apply"}).level == "ok"


@pytest.mark.parametrize("name", list(ON))
def test_whatever_is_off_is_named(name: str) -> None:
    found = durability({**ON, name: "off"})
    assert found.level == "fail"
    assert found.found == f"{name} = off"
