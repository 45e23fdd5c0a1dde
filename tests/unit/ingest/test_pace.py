"""How much is done in one go."""

from ingest.pace import GO_SECONDS, REST, Pace


def test_a_go_becomes_as_large_as_its_time_allows_and_no_larger_than_it_may_be() -> None:
    pace, sizes = Pace(5000), []
    for _ in range(8):
        pace.took(pace.pieces, pace.pieces * 1e-5)
        sizes.append(pace.pieces)
    assert sizes == [200, 400, 800, 1600, 3200, 5000, 5000, 5000]


def test_a_go_that_takes_too_long_is_followed_by_a_small_one_and_a_rest() -> None:
    pace = Pace(5000)
    assert pace.took(100, 10 * GO_SECONDS) == REST * 10 * GO_SECONDS
    assert pace.pieces == 10
    pace.took(10, 100.0)
    assert pace.pieces == 1
    pace.took(1, 0.0)
    assert pace.pieces == 2
