"""Clocks of devices that have none: `boot` names a start of the device, `up` counts ms from there. Pure."""

import math
from collections.abc import Mapping

from ingest.batch import BootKey
from iotsphere.errors import Refused

CAPACITY = 100_000
DAY_MS = 86_400_000
LONGEST_UP_MS = 1e13  # three hundred years
LONGEST_BOOT = 64


class BootOffsets:
    """Offsets that were looked up: Unix time in µs at the device's ``up = 0``.

    Bounded; policy when full: forget all, they are in the table. Forgotten once a day anyhow, so that the table sees which
    boots are alive.
    """

    def __init__(self) -> None:
        self._offsets: dict[BootKey, int] = {}
        self._since = 0.0

    def get(self, key: BootKey) -> int | None:
        """The offset, None when it must be looked up."""
        return self._offsets.get(key)

    def learn(self, found: Mapping[BootKey, int]) -> None:
        """Remember what the table says."""
        if len(self._offsets) + len(found) > CAPACITY:
            self._offsets.clear()
        self._offsets.update(found)

    def age(self, now_ms: float) -> None:
        """Forget what is older than a day."""
        if now_ms - self._since > DAY_MS:
            self._offsets.clear()
            self._since = now_ms


def is_boot(text: str) -> bool:
    """Whether a device may name its boot so."""
    return 0 < len(text) <= LONGEST_BOOT and text.isprintable()


def boot_key(device: str, boot: str | int, up: float) -> BootKey:
    """The checked name of a boot.

    Raises:
        Refused: category ``validation``.
    """
    text = str(boot)
    if not is_boot(text):
        raise Refused("validation", f"boot must be 1 to {LONGEST_BOOT} printable characters or an integer")
    if not math.isfinite(up) or not 0 <= up <= LONGEST_UP_MS:
        raise Refused("validation", "up must be the milliseconds since the device started")
    return device, text


def offset_us(received_at: int, up: float) -> int:
    """The offset if a message left the device when it arrived."""
    return received_at * 1000 - round(up * 1000)
