"""Events on their way through msgpack."""

from typing import Any

import pytest

from iotsphere.events import ShadowChanged, decode, encode


def changed(delta: dict[str, Any] | None) -> ShadowChanged:
    return ShadowChanged(device="d", organization="o", name="", version=1, delta=delta, at=0)


@pytest.mark.parametrize("delta", [None, {}, {"a": [1, 1.0, "x", True, {"b": -(2**63)}], "c": 2**64 - 1}])
def test_an_event_survives(delta: dict[str, Any] | None) -> None:
    assert decode(encode(changed(delta))) == changed(delta)


def test_what_msgpack_cannot_hold_is_rounded_and_raises_nothing() -> None:
    found = decode(encode(changed({"a": [2**64, {"b": -(2**70)}], "huge": 10**400})))
    assert isinstance(found, ShadowChanged)
    assert found.delta == {"a": [float(2**64), {"b": -float(2**70)}], "huge": str(10**400)}
