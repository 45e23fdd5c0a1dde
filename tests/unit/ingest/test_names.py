"""How many names a device may invent."""

import pytest

from ingest.names import NAMES, Names


def test_a_device_may_use_so_many_names_whatever_others_do() -> None:
    names = Names()
    for n in range(NAMES):
        assert names.admits("a", f"m{n}")
        names.learn("a", f"m{n}")
    assert not names.admits("a", "one more")
    assert names.admits("a", "m0"), "what it uses it goes on using"
    assert names.admits("b", "one more")


def test_beyond_the_bound_the_device_that_was_silent_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.names.NAMES", 2)
    names = Names(kept=5)
    for device in ("a", "b", "a"):
        for name in ("x", "y"):
            names.learn(device, name)
    names.learn("c", "x")
    assert not names.admits("b", "z")
    names.learn("c", "y")
    assert names.admits("b", "z"), "b begins anew"
    assert not names.admits("a", "z")


def test_the_only_device_is_not_forgotten() -> None:
    names = Names(kept=1)
    for n in range(NAMES):
        names.learn("a", f"m{n}")
    assert not names.admits("a", "one more")
