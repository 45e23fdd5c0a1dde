"""Where a page begins."""

from datetime import UTC, datetime

import pytest

from commands.command_reads import Place
from iotsphere.errors import InvalidInput


def test_a_place_comes_back_to_the_microsecond() -> None:
    place = Place(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), "019b-1")
    assert Place.parse(place.text()) == place


@pytest.mark.parametrize("text", ["", "-", "x-1", "fffffffffffffffffffffff-1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        Place.parse(text)
    assert wrong.value.field == "cursor"
