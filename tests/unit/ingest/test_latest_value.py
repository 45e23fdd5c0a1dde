"""How a newest reading is written down."""

import pytest

from ingest.batch import moment_of
from ingest.latest_value import LatestValue, newer, read, written


@pytest.mark.parametrize(
    ("value", "metadata", "source", "quality"),
    [
        (0.1 + 0.2, None, None, None),
        (-1e300, '{"source": "simulation"}', "simulation", None),
        (5, '{"quality": "undeclared"}', None, "undeclared"),
        (True, '{"source": "import", "quality": "out_of_range"}', "import", "out_of_range"),
    ],
)
def test_written_and_read_are_the_same(value: float, metadata: str | None, source: str | None, quality: str | None) -> None:
    row = ("d", moment_of(1_764_000_000_000_123), "m", value, metadata)
    assert read(written(row)) == LatestValue(float(value), 1_764_000_000_000.123, source, quality)


def test_the_newer_counts() -> None:
    old, new = LatestValue(1.0, 1), LatestValue(2.0, 2)
    assert newer([{"a": new, "b": old}, {"a": old, "c": old}]) == {"a": new, "b": old, "c": old}
