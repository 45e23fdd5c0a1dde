"""Both faces, and what each of their tests must leave: nothing."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.sdk_drivers import FACES, Make


@pytest.fixture(params=FACES, ids=["threads", "tasks"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and t.name.startswith(("device-", "paho"))]
    assert left == []
