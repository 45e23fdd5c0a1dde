"""Which type a simulated fleet is of."""

import pytest

from iotsphere.devices import device_types
from iotsphere.errors import InvalidInput
from launcher.simulate import chosen

KEY, TYPE = next(iter(device_types().items()))


def test_the_only_type_need_not_be_named() -> None:
    assert chosen(None, {KEY: TYPE}) is TYPE
    assert chosen(KEY, {KEY: TYPE, "another": TYPE}) is TYPE


def test_of_several_one_must_be_chosen() -> None:
    with pytest.raises(InvalidInput, match=f"choose one with --type .another, {KEY}"):
        chosen(None, {KEY: TYPE, "another": TYPE})
