"""What a fleet did, in numbers."""

import json

import pytest

from simulator.report import Latencies, Tally


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_percentiles_are_right_within_two_percent() -> None:
    latencies = Latencies()
    assert latencies.percentile(0.5) is None
    for ms in range(1, 1001):
        latencies.add(ms)
    assert latencies.percentile(0.5) == pytest.approx(500, rel=0.02)
    assert latencies.percentile(0.99) == pytest.approx(990, rel=0.02)
    assert latencies.percentile(1.0) == pytest.approx(1000, rel=0.02)


def test_what_was_never_acknowledged_is_lost() -> None:
    clock = Clock()
    tally = Tally(2, clock)
    ends = [tally.sent() for _ in range(10)]
    clock.now = 0.004
    for end in ends[:8]:
        end(True)
    ends[8](False)
    clock.now = 2.0
    progress = tally.progress(connected=2)
    assert (progress.published, progress.acked, progress.published_per_s, progress.acked_per_s) == (10, 8, 5.0, 4.0)
    clock.now = 3.0
    assert tally.progress(connected=2).published_per_s == 0
    line = json.loads(tally.report(2, 4.0).json_line())
    assert (line["published"], line["acked"], line["lost"], line["acked_per_s"]) == (10, 8, 2, 2.0)
    assert line["p50_ms"] == pytest.approx(4, rel=0.03)
