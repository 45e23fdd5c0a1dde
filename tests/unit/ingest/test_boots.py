"""Offsets of devices without a clock."""

import pytest

from ingest import boots
from ingest.boots import DAY_MS, BootOffsets


def test_offsets_are_forgotten_after_a_day_so_that_the_table_sees_who_is_alive() -> None:
    known = BootOffsets()
    known.age(1e12)
    known.learn({("d", "b"): 5})
    known.age(1e12 + DAY_MS)
    assert known.get(("d", "b")) == 5
    known.age(1e12 + DAY_MS + 1)
    assert known.get(("d", "b")) is None


def test_what_was_just_learned_is_known_even_when_it_is_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boots, "CAPACITY", 2)
    known = BootOffsets()
    known.learn({("a", "b"): 1})
    known.learn({(device, "b"): 2 for device in "cdef"})
    assert known.get(("a", "b")) is None
    assert known.get(("f", "b")) == 2
