import pytest

from cloud_api.domain.shadow.etag import ANY, etag, expected_version
from cloud_api.domain.shadow.service import desired_of
from iotsphere.errors import InvalidInput, PreconditionFailed


def test_a_tag_comes_back() -> None:
    assert expected_version(etag(7)) == 7
    assert expected_version(' "7" ') == 7
    assert expected_version(None) is None
    assert expected_version("*") == ANY


@pytest.mark.parametrize("tag", ['W/"7"', '"seven"', '""', '"-1"', '"٧"'])
def test_a_tag_that_cannot_be_current(tag: str) -> None:
    with pytest.raises(PreconditionFailed):
        expected_version(tag)


@pytest.mark.parametrize("text", ["7", '"7', '"6", "7"', "", "w/7"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        expected_version(text)
    assert caught.value.field == "If-Match"


def test_only_desired_is_changed() -> None:
    assert desired_of({"desired": {"a": None}}) == {"a": None}
    for body, field in [
        ([], "body"),
        ({}, "desired"),
        ({"desired": 1}, "desired"),
        ({"desired": {}, "reported": {}}, "reported"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            desired_of(body)
        assert caught.value.field == field
