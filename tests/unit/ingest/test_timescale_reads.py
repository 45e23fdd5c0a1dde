"""Which tables a question to continuous aggregates reads; what they answer is in contract/test_engines.py."""

from ingest.rollup_reads import EACH, TOGETHER
from ingest.rollups import Level
from ingest.timescale_reads import statement


def test_only_what_holds_a_part_of_the_stretch_is_read() -> None:
    text = statement((Level.HOUR,), TOGETHER, named=True)
    assert "telemetry.rollup_1h" in text
    assert "telemetry.rollup_1m" not in text
    assert "telemetry.telemetry" not in text


def test_every_stretch_has_edges_of_its_own() -> None:
    text = statement((None, None, Level.MINUTE), EACH, named=False)
    assert text.count("telemetry.telemetry r") == 2
    for low, high in ((3, 4), (6, 7), (8, 9)):
        assert f">= ${low} and" in text
        assert f"< ${high}" in text
    assert "$10" not in text
