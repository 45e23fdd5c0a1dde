"""Which readings are taken, by how long they are kept and by what has been let go."""

from datetime import UTC, datetime, timedelta

from ingest.retention_rules import Retention

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def days(retention: Retention, organization: str = "*") -> float:
    window = retention.window(NOW.timestamp() * 1000, organization)
    return (window.now - window.low) / 86_400_000


def test_an_organization_may_keep_less() -> None:
    retention = Retention(30, shorter={"brief": 5})
    assert [days(retention, who) for who in ("*", "brief", "other")] == [30, 5, 30]
    assert retention.narrower(NOW.timestamp() * 1000).keys() == {"brief"}


def test_what_has_been_let_go_is_not_taken_again_however_long_readings_are_kept_now() -> None:
    gone = {"*": NOW - timedelta(days=40), "brief": NOW - timedelta(days=6), "long ago": NOW - timedelta(days=90)}
    retention = Retention(60, shorter={"shorter": 3}, gone=gone)
    assert [days(retention, who) for who in ("*", "brief", "long ago", "shorter")] == [40, 6, 40, 3]
    assert retention.narrower(NOW.timestamp() * 1000).keys() == {"brief", "shorter"}
