from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.testing import create_test_client

from cloud_api import errors
from cloud_api.query import known_parameters


@get("/{thing:str}")
async def handler(
    thing: FromPath[str],
    q: FromQuery[str | None] = None,
    kind: Annotated[str | None, QueryParameter(name="type")] = None,
    match: Annotated[str | None, HeaderParameter(name="If-Match", required=False, max_length=3)] = None,
) -> None:
    """Nothing."""


def test_only_what_a_route_declares_as_it_is_written_may_be_asked() -> None:
    with create_test_client(handler, guards=[known_parameters], exception_handlers=errors.HANDLERS) as client:
        assert [client.get(f"/x{query}").status_code for query in ("", "?q=1", "?type=a&q=b")] == [200, 200, 200]
        for name in ("kind", "thing", "match", "If-Match", "Q"):
            answer = client.get("/x", params={"q": "1", name: "1"})
            assert (answer.status_code, answer.json()["field"]) == (422, name)
            assert answer.json()["errors"][0]["reason"] == "is no parameter of this request; known: q, type"


def test_a_parameter_that_is_wrong_is_named_as_it_is_written() -> None:
    with create_test_client(handler, exception_handlers=errors.HANDLERS) as client:
        answer = client.get("/x", headers={"If-Match": "1234"})
        assert (answer.status_code, answer.json()["field"]) == (422, "If-Match")
