"""Which messages are shown, and when it is enough."""

import re
from typing import Any

from launcher.mqtt_lines import Heard
from launcher.mqtt_watch import Watch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watching(clock: Clock, written: list[str], pattern: str | None = None, device: str | None = None, **options: Any) -> Watch:
    given = {"count": None, "seconds": None, "rate": False, "as_json": False, **options}
    return Watch(None if pattern is None else re.compile(pattern), device, write=written.append, clock=clock, **given)


def heard(topic: str, payload: bytes = b"{}") -> Heard:
    return Heard(0.0, topic, payload, 0, False, False)


def test_by_device_and_by_what_it_says() -> None:
    written: list[str] = []
    watch = watching(Clock(), written, "over|event", "d")
    for topic, payload in (("event", b"{}"), ("status", b"overheated"), ("status", b"well")):
        watch.hear(heard(f"iot/v1/d/{topic}", payload))
        watch.hear(heard(f"iot/v1/e/{topic}", payload))
    assert ["event" in text or "overheated" in text for text in written] == [True, True]


def test_a_count_is_kept_to_also_within_one_read() -> None:
    written: list[str] = []
    watch = watching(Clock(), written, count=2)
    for _ in range(3):
        assert not watch.enough() or len(written) == 2
        watch.hear(heard("iot/v1/d/event"))
    assert len(written) == 2
    assert watch.enough()


def test_seconds_end_it_and_rates_come_once_a_second() -> None:
    written: list[str] = []
    clock = Clock()
    watch = watching(clock, written, seconds=2.5, rate=True)
    for clock.now in (0.2, 0.9):
        watch.hear(heard("iot/v1/d/event"))
        assert not watch.enough()
    assert written == []
    clock.now = 1.0
    assert not watch.enough()
    assert len(written) == 1
    assert "2.0 messages/s" in written[0]
    watch.hear(heard("iot/v1/d/event"))
    clock.now = 2.5
    assert watch.enough()
    watch.finish()
    assert len(written) == 2
