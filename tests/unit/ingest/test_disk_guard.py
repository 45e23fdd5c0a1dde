"""What looks at the disk mean."""

import json
from pathlib import Path

import pytest

from ingest.disk_guard import DiskGuard, DiskWatch, Usage

GIB, MIB = 1 << 30, 1 << 20


def usage(free_percent: float, total: int = 100 * GIB) -> Usage:
    free = int(total * free_percent / 100)
    return Usage(total, total - free, free)


def test_intake_pauses_under_five_percent_and_resumes_at_six() -> None:
    watch = DiskWatch()
    seen = []
    for free in (50, 5.1, 5.0, 4.99, 5.5, 5.99, 6.0, 5.2, 4.0):
        watch.observe(0, usage(free))
        seen.append(watch.paused)
    assert seen == [False, False, False, True, True, True, False, False, True]


def test_on_a_small_disk_a_fixed_room_is_left() -> None:
    watch = DiskWatch()
    seen = []
    for free in (200, 128, 127, 159, 160, 130):
        watch.observe(0, Usage(GIB, GIB - free * MIB, free * MIB))
        seen.append(watch.paused)
    assert seen == [False, False, True, True, False, False]


def test_days_left_on_a_small_disk_end_at_that_room() -> None:
    watch = DiskWatch()
    for now, free in ((0, 238), (86_400, 228)):
        watch.observe(now, Usage(GIB, GIB - free * MIB, free * MIB))
    assert watch.days_left() == pytest.approx(10)


def test_a_file_system_that_tells_no_size_is_never_full() -> None:
    watch = DiskWatch()
    watch.observe(0, Usage(0, 0, 0))
    assert not watch.paused
    assert watch.holds(GIB)


def test_there_is_room_for_more_as_long_as_intake_would_not_pause() -> None:
    watch = DiskWatch()
    watch.observe(0, usage(10))
    assert watch.holds(4 * GIB)
    assert not watch.holds(4 * GIB + 1)


@pytest.mark.parametrize(
    ("looks", "days"),
    [
        ([], None),
        ([(0, 50)], None),
        ([(0, 50), (600, 49)], None),  # seen for too short
        ([(0, 50), (3600, 50)], None),  # not growing
        ([(0, 50), (3600, 60)], None),  # shrinking
        ([(0, 66), (86_400, 65)], 60),  # 1 % a day, 60 % until the pause
        ([(0, 100), (86_400, 4)], 0),
        ([(0, 65.000001), (86_400, 65)], 3650),
    ],
)
def test_days_left_come_from_growth(looks: list[tuple[float, float]], days: float | None) -> None:
    watch = DiskWatch()
    for now, free in looks:
        watch.observe(now, usage(free))
    assert watch.days_left() == (None if days is None else pytest.approx(days, rel=1e-3))


def test_growth_is_that_of_the_last_day() -> None:
    watch = DiskWatch()
    for n in range(300):  # ten minutes each: two fast days, then a slow one
        watch.observe(n * 600, usage(90 - n * 0.1 if n < 150 else 75 - (n - 150) * 0.01))
    found = watch.days_left()
    assert found is not None
    assert found == pytest.approx((73.51 - 5) / (0.01 * 144), rel=0.02)


async def test_the_guard_opens_and_closes_the_door_and_reports(tmp_path: Path) -> None:
    free = 50.0
    guard = DiskGuard(tmp_path, tmp_path / "disk.json", usage=lambda _: usage(free), clock=lambda: 7.0)
    await guard.look()
    await guard.ready()
    report = json.loads((tmp_path / "disk.json").read_text())
    assert report == {"paused": False, "used": 50 * GIB, "free": 50 * GIB, "days_left": None, "at": 7.0}
    free = 4.0
    await guard.look()
    assert guard.paused
    assert json.loads((tmp_path / "disk.json").read_text())["paused"] is True
