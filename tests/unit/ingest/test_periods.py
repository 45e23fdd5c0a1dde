from datetime import date

from ingest.periods import MINUTES, RAW


def test_days_and_months_have_names_and_beginnings() -> None:
    day = RAW.number(date(2026, 3, 1))
    assert (RAW.name(day), RAW.start(day), RAW.start(day + 1)) == ("telemetry_20260301", date(2026, 3, 1), date(2026, 3, 2))
    month = MINUTES.number(date(2026, 12, 31))
    assert (MINUTES.name(month), MINUTES.start(month), MINUTES.start(month + 1)) == (
        "rollup_1m_202612",
        date(2026, 12, 1),
        date(2027, 1, 1),
    )


def test_a_name_of_ours_is_recognised_and_no_other() -> None:
    assert RAW.named("telemetry_20260301") == RAW.number(date(2026, 3, 1))
    assert MINUTES.named("rollup_1m_202612") == MINUTES.number(date(2026, 12, 1))
    for name in ("telemetry_2026031", "telemetry_202603011", "telemetry_old", "other_20260301", "telemetry_20261301"):
        assert RAW.named(name) is None
