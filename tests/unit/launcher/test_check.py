"""Levels of `iotsphere doctor`."""

import pytest

from launcher.check import Check, limit
from launcher.doctor import render


@pytest.mark.parametrize(("value", "level"), [(0.5, "ok"), (0.15, "ok"), (0.1, "warn"), (0.06, "warn"), (0.01, "fail")])
def test_limits(value: float, level: str) -> None:
    assert limit("disk", "", value, warn=0.15, fail=0.06, advice="free some").level == level


def test_advice_is_shown_where_it_is_needed() -> None:
    text = render([Check("a", "ok", "fine", "never shown"), Check("b", "fail", "broken", "mend it")])
    assert "never shown" not in text
    assert "fail  b" in text
    assert "→ mend it" in text
