"""Which messages `iotsphere mqtt sub` shows, how, and when it has shown enough."""

import re
import time
from collections.abc import Callable

from iotsphere import topics
from launcher.mqtt_lines import Heard, Rates, decode, json_line, line

SECOND = 1.0


class Watch:
    """Filters, prints or counts.

    Args:
        pattern: only messages whose topic or text matches.
        device: only messages of this device.
        count, seconds: end after so many shown, or so long; None: never.
        rate: print rates once a second instead of messages.
        write: takes each line.
    """

    def __init__(
        self,
        pattern: re.Pattern[str] | None,
        device: str | None,
        *,
        count: int | None,
        seconds: float | None,
        rate: bool,
        as_json: bool,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pattern, self._device = pattern, device
        self._count, self._as_json, self._write = count, as_json, write
        self._clock = clock
        self._rates = Rates() if rate else None
        self._end = None if seconds is None else clock() + seconds
        self._looked = clock()
        self.shown = 0

    def hear(self, heard: Heard) -> None:
        """A message has come."""
        if self._count is not None and self.shown >= self._count:
            return
        if self._device is not None and ((route := topics.parse(heard.topic)) is None or route.device != self._device):
            return
        decoded = decode(heard.payload)
        if self._pattern is not None and not (self._pattern.search(heard.topic) or self._pattern.search(decoded.text)):
            return
        self.shown += 1
        if self._rates is not None:
            self._rates.add(heard)
        else:
            self._write(json_line(heard, decoded) if self._as_json else line(heard, decoded))

    def enough(self) -> bool:
        """Whether to end; prints the rates when a second has passed."""
        now = self._clock()
        if now - self._looked >= SECOND:
            self._tell_rates(now)
        return (self._count is not None and self.shown >= self._count) or (self._end is not None and now >= self._end)

    def finish(self) -> None:
        """Print what was counted since."""
        self._tell_rates(self._clock())

    def _tell_rates(self, now: float) -> None:
        if self._rates is not None and now > self._looked:
            for text in self._rates.lines(time.time(), now - self._looked, as_json=self._as_json):
                self._write(text)
        self._looked = now
