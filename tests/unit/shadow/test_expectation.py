"""What a writer may expect."""

import pytest

from iotsphere.errors import Conflict, PreconditionFailed
from shadow.document import Document
from shadow.expectation import ANY, Expectation

HELD = Document(version=7, desired_version=5, reported_version=7)
GONE = Document(version=8, desired_version=8, reported_version=8, deleted=True)


@pytest.mark.parametrize("document", [Document(), HELD, GONE])
def test_nothing_is_expected(document: Document) -> None:
    ANY.check(document)


def test_what_was_seen_holds_while_desired_is_untouched() -> None:
    for seen in (5, 6, 7):
        Expectation(seen=seen).check(HELD)
    for seen in (0, 4, 8):
        with pytest.raises(PreconditionFailed):
            Expectation(seen=seen).check(HELD)


def test_a_version_is_exact() -> None:
    Expectation(version=7).check(HELD)
    with pytest.raises(Conflict, match="the version is 7"):
        Expectation(version=6).check(HELD)


def test_there_must_be_one_or_none() -> None:
    Expectation(exists=True).check(HELD)
    Expectation(exists=False).check(GONE)
    with pytest.raises(PreconditionFailed, match="already"):
        Expectation(exists=False).check(HELD)
    for absent in (Document(), GONE):
        with pytest.raises(PreconditionFailed, match="yet"):
            Expectation(exists=True).check(absent)
