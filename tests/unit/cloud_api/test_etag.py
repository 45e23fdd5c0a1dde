import pytest

from cloud_api.domain.shadow.etag import etag, expectation, is_known, require_condition
from cloud_api.domain.shadow.service import desired_of
from iotsphere.errors import InvalidInput, PreconditionFailed, PreconditionRequired
from shadow.expectation import ANY, Expectation


def test_a_tag_comes_back() -> None:
    assert expectation(etag(7)) == expectation(' "7" ') == Expectation(seen=7)
    assert expectation(None) == ANY
    assert expectation("*") == Expectation(exists=True)
    assert expectation(None, "*") == Expectation(exists=False)
    assert expectation('"7"', version=8) == Expectation(seen=7, version=8)


@pytest.mark.parametrize("tag", ['W/"7"', '"seven"', '""', '"-1"', '"٧"', '"²"', f'"{"9" * 5000}"', f'"{"9" * 19}"'])
def test_a_tag_that_cannot_be_current(tag: str) -> None:
    with pytest.raises(PreconditionFailed):
        expectation(tag)


@pytest.mark.parametrize("text", ["7", '"7', '"6", "7"', "", "w/7"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        expectation(text)
    assert caught.value.field == "If-Match"
    with pytest.raises(InvalidInput, match="If-None-Match"):
        expectation(None, '"7"')


def test_a_replacement_expects_something() -> None:
    with pytest.raises(PreconditionRequired):
        require_condition(expectation(None))
    require_condition(expectation(None, version=7))


@pytest.mark.parametrize(
    ("header", "known"), [(None, False), ('"7"', True), ('W/"7"', True), ('"6", "7"', True), ('"6"', False), ("*", True)]
)
def test_what_a_reader_has(header: str | None, known: bool) -> None:
    assert is_known(header, 7) is known
    assert not is_known(header, 0)


def test_only_desired_is_changed() -> None:
    assert desired_of({"desired": {"a": None}}) == ({"a": None}, None)
    assert desired_of({"desired": {}, "version": 7}) == ({}, 7)
    for body, field in [
        ([], "body"),
        ({}, "desired"),
        ({"desired": 1}, "desired"),
        ({"desired": {}, "reported": {}}, "reported"),
        ({"desired": {}, "version": "7"}, "version"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            desired_of(body)
        assert caught.value.field == field
