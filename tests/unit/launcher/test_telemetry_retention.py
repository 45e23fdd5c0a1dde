from datetime import UTC, datetime

import pytest

from ingest.expiry_preview import Expiring
from ingest.retention_rules import ROLLUP_DAYS, Retention
from ingest.rollups import Level
from iotsphere.errors import InvalidInput
from launcher.telemetry_retention import Wanted, changed, render

NOW = Retention(30, ROLLUP_DAYS, {"brief": 20})


def test_what_is_not_given_stays() -> None:
    assert changed(NOW, Wanted(None, {"raw": 40})) == Retention(40, ROLLUP_DAYS, {"brief": 20})
    assert changed(NOW, Wanted(None, {"raw": 10})).shorter == {}, "nobody keeps more than the installation"
    levels = {Level.MINUTE: None, Level.HOUR: 3650, Level.DAY: 7}
    assert changed(NOW, Wanted(None, {"1m": 0, "1d": 7})) == Retention(30, levels, {"brief": 20})


def test_an_organization_may_only_shorten() -> None:
    assert changed(NOW, Wanted("other", {"raw": 5})).shorter == {"brief": 20, "other": 5}
    assert changed(NOW, Wanted("brief", {"raw": 0})).shorter == {}
    for days in ({"raw": 30}, {"1m": 3}, {"raw": 3, "1d": 3}):
        with pytest.raises(InvalidInput):
            changed(NOW, Wanted("brief", days))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        changed(NOW, Wanted(None, {"raw": 0}))


def test_what_goes_is_told() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    going = [
        Expiring("raw", "telemetry_20260101", day, day.replace(day=2), 2_500_000),
        Expiring("raw", "brief", None, day, rows=1234),
    ]
    text = render(NOW, going)
    assert "raw readings   30 days" in text
    assert "rollups 1d     for ever" in text
    assert "raw readings of brief   20 days" in text
    assert "  raw  2026-01-01 … 2026-01-02  2.5 MB  telemetry_20260101" in text
    assert "  raw  before 2026-01-01  1,234 readings  brief" in text
    assert "nothing goes" in render(NOW, [])
