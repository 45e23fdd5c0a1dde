"""Which MQTT is spoken: the only place that decides on a protocol level. Pure."""

from collections.abc import Mapping
from enum import IntEnum


class Level(IntEnum):
    """Protocol levels as a CONNECT tells them. What differs between levels takes one of these as a parameter."""

    V3_1_1 = 4


FIRST_PACKET = Level.V3_1_1  # by whose rules the first packet is framed: CONNECT looks alike in all levels
SPOKEN = "MQTT 3.1.1 (level 4) is spoken"
_LEVELS: Mapping[bytes, tuple[Level, ...]] = {b"MQTT": tuple(Level), b"MQIsdp": ()}  # the second one is MQTT 3.1's, level 3


def is_mqtt(name: bytes) -> bool:
    """Whether a protocol name is one that some MQTT has or had."""
    return name in _LEVELS


def spoken(name: bytes, level: int) -> Level | None:
    """The level of a CONNECT, None when it is not spoken here: the answer to that is CONNACK 1."""
    return next((known for known in _LEVELS[name] if known == level), None)
