"""Durability and rollups as `iotsphere doctor` judges them."""

from datetime import UTC, datetime, timedelta

import pytest

from launcher.doctor_stores import LAG, durability, lag

ON = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def test_everything_on_is_well() -> None:
    assert durability(ON).level == "ok"
    assert durability({**ON, "synchronous_commit": "remote_apply"}).level == "ok"


@pytest.mark.parametrize("name", list(ON))
def test_whatever_is_off_is_named(name: str) -> None:
    found = durability({**ON, name: "off"})
    assert found.level == "fail"
    assert found.found == f"{name} = off"


def test_rollups_that_lag_are_told_with_the_minute_that_they_lack() -> None:
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert [lag(oldest, now).level for oldest in (None, now - LAG + timedelta(seconds=1), now - LAG)] == ["ok", "ok", "warn"]
    assert "2026-01-02 11:50" in lag(now - LAG, now).found
