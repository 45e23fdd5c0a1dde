"""Which points lie outside of what types declare."""

from cloud_api.domain.telemetry.marks import marks, marks_of
from cloud_api.domain.telemetry.schemas import Marks
from iotsphere.devices._spec import Measurement
from tests.support.pump import PUMP


def outside(low: float | None, high: float | None, *positions: int) -> Marks:
    return Marks(quality="out_of_range", low=low, high=high, positions=list(positions))


def test_a_reading_on_the_edge_is_within_and_an_empty_place_is_nothing() -> None:
    column = [0.0, None, 100.0, 100.1, -0.1]
    good = [1.0] * 5
    assert marks(PUMP, {"flow": column, "pressure": good}, {"flow": column, "pressure": good}) == {"flow": outside(0, 100, 3, 4)}


def test_a_bucket_is_marked_for_its_lowest_and_for_its_highest() -> None:
    assert marks(PUMP, {"flow": [-1.0, 5.0, 5.0, None]}, {"flow": [5.0, 5.0, 101.0, None]}) == {"flow": outside(0, 100, 0, 2)}


def test_what_the_type_does_not_know_is_undeclared_all_of_it() -> None:
    undeclared = Marks(quality="undeclared", low=None, high=None, positions=None)
    assert marks(PUMP, {"noise": [1.0]}, {"noise": [1.0]}) == {"noise": undeclared}
    assert marks(None, {"flow": [1.0]}, {"flow": [1.0]}) == {"flow": undeclared}


def test_of_several_types_the_widest_range_holds() -> None:
    narrow, wide, open_above = (
        Measurement("t", "T", low=0, high=10),
        Measurement("t", "T", low=-5, high=20),
        Measurement("t", "T", low=0),
    )
    column = [-6.0, -4.0, 15.0, 30.0]
    assert marks_of([narrow, wide], column, column) == outside(-5, 20, 0, 3)
    assert marks_of([narrow, open_above], column, column) == outside(0, None, 0, 1)
    assert marks_of([Measurement("t", "T")], column, column) is None
    assert marks_of([], [], []) is None
