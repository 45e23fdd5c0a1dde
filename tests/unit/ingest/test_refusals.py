"""What is told of a message in which much is wrong."""

from ingest.refusals import LETTERS_OF_A_MESSAGE, Refusals
from iotsphere.errors import Refused
from tests.support.devices import delivery


def test_each_of_a_few_has_its_letter() -> None:
    refusals = Refusals()
    refusals.add("a", Refused("validation", "no number"))
    refusals.add(None, Refused("clock", "too old"))
    told = [(letter.measurement, letter.category, letter.reason) for letter in refusals.letters(delivery(b"x"))]
    assert told == [("a", "validation", "no number"), (None, "clock", "too old")]
    assert list(Refusals().letters(delivery(b"x"))) == []


def test_what_comes_after_the_first_ones_is_counted_in_one_letter() -> None:
    refusals = Refusals()
    for n in range(LETTERS_OF_A_MESSAGE + 2):
        refusals.add(f"m{n}", Refused("validation", "no number"))
    *told, rest = refusals.letters(delivery(b"x"))
    assert [letter.measurement for letter in told] == [f"m{n}" for n in range(LETTERS_OF_A_MESSAGE)]
    assert (rest.measurement, rest.reason) == (None, "2 more values or messages of it are refused")
    assert len(refusals) == LETTERS_OF_A_MESSAGE + 2


def test_values_that_are_too_many_have_one_letter() -> None:
    refusals = Refusals()
    refusals.crowded += 3
    [letter] = refusals.letters(delivery(b"x"))
    assert letter.reason == "too many measurement names: 3 values are not stored"
