"""Names of widths."""

from datetime import timedelta

from ingest.resolution import RAW, RESOLUTIONS, name_of
from ingest.rollups import STEPS


def test_every_width_has_a_name_and_every_name_its_width() -> None:
    assert list(RESOLUTIONS) == ["raw", "1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "7d"]
    assert [RESOLUTIONS[name_of(step)] for step in (RAW, *STEPS)] == [RAW, *STEPS]
    assert RESOLUTIONS["12h"] == timedelta(hours=12)
