"""What bodies may be, and what answers are taken."""

from typing import Annotated

import pytest
from litestar import get, patch, post
from litestar.params import Body, JSONBody
from litestar.testing import create_test_client

from cloud_api import errors
from cloud_api.media import OFFERS, known_media


@get("/", opt={OFFERS: ("text/csv",)})
async def read() -> dict[str, int]:
    """Something."""
    return {"a": 1}


@post("/")
async def write(data: JSONBody[dict[str, int]]) -> dict[str, int]:
    """The same."""
    return data


@patch("/")
async def change(data: Annotated[dict[str, int], Body(media_type="application/merge-patch+json")]) -> dict[str, int]:
    """The same."""
    return data


@post("/ring")
async def ring() -> None:
    """Takes no body."""


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/xml", 406), ("image/*", 406), ("application/json;q=0", 406), ("application/json;q=0, text/csv;q=0", 406),
        ("application/json", 200), ("*/*", 200), ("application/*;q=0.1", 200), ("text/csv", 200),
        ("application/problem+json", 200), ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200), ("", 200),
    ],
)  # fmt: skip
def test_an_answer_that_nobody_takes_is_none(accept: str, status: int) -> None:
    with create_test_client([read], guards=[known_media], exception_handlers=errors.HANDLERS) as client:
        answer = client.get("/", headers={"Accept": accept})
        assert answer.status_code == status
        if status == 406:
            assert "application/json or text/csv" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data; boundary=x", 415),
        ("application/json", 201), ("Application/JSON; charset=utf-8", 201), ("application/merge-patch+json", 415),
    ],
)  # fmt: skip
def test_a_body_that_says_it_is_no_json_is_not_taken_for_it(sent: str, status: int) -> None:
    with create_test_client([write, ring], guards=[known_media], exception_handlers=errors.HANDLERS) as client:
        assert client.post("/", content=b'{"a": 1}', headers={"Content-Type": sent}).status_code == status
        assert client.post("/", content=b'{"a": 1}').status_code == 201
        assert client.post("/ring", headers={"Content-Type": sent}).status_code == 201


def test_a_merge_patch_is_taken_where_one_is_declared_and_named_where_none_comes() -> None:
    with create_test_client([change], guards=[known_media], exception_handlers=errors.HANDLERS) as client:
        for sent, status in (
            ("application/merge-patch+json", 200),
            ("application/json", 200),
            ("application/json-patch+json", 415),
        ):
            answer = client.patch("/", content=b"{}", headers={"Content-Type": sent})
            assert answer.status_code == status
        assert answer.headers["accept-patch"] == "application/merge-patch+json"
