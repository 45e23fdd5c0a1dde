"""Every MQTT topic of the wire contract: the only file that spells one.

A device publishes below ``iot/v1/{device}/`` and subscribes to filters that can match only its own topics. Its shadow it may
also reach below ``$aws/things/{device}/shadow``, as a client written for AWS IoT does.
"""

import re
from dataclasses import dataclass
from enum import Enum

PREFIX = "iot/v1"
AWS_PREFIX = "$aws/things"
MAX_DEPTH = 12
_DEVICE_ID = re.compile(r"(?!ca\Z)[A-Za-z0-9][A-Za-z0-9:._-]{0,63}\Z")
_SHADOW_NAME = re.compile(r"[A-Za-z0-9:_-]{1,64}\Z")


class Kind(Enum):
    """What a published message is about; decides the lane it is committed in."""

    TELEMETRY = "telemetry"
    EVENT = "event"
    STATUS = "status"
    SHADOW_GET = "shadow/get"
    SHADOW_UPDATE = "shadow/update"
    SHADOW_DELETE = "shadow/delete"
    COMMAND_RESPONSE = "command/response"


class Dialect(Enum):
    """Whose topics and shapes a shadow message has; the documents behind them are the same."""

    OWN = PREFIX
    AWS = AWS_PREFIX


@dataclass(frozen=True, slots=True)
class Route:
    """A publish topic taken apart.

    Attributes:
        device: the device id spelled in the topic.
        kind: what the message is about.
        name: the named shadow, or None for the classic one and for other kinds.
        command_id: the command that a response answers, else None.
        dialect: of a shadow request; its answer goes out in the same.
    """

    device: str
    kind: Kind
    name: str | None = None
    command_id: str | None = None
    dialect: Dialect = Dialect.OWN


_SIMPLE = {kind.value: kind for kind in (Kind.TELEMETRY, Kind.EVENT, Kind.STATUS)}
_SHADOW = {"get": Kind.SHADOW_GET, "update": Kind.SHADOW_UPDATE, "delete": Kind.SHADOW_DELETE}


def is_device_id(text: str) -> bool:
    """Whether the text may be a device id (and so a client id and a certificate's CN)."""
    return _DEVICE_ID.match(text) is not None


def is_shadow_name(text: str) -> bool:
    """Whether the text may name a shadow."""
    return _SHADOW_NAME.match(text) is not None


def parse(topic: str) -> Route | None:
    """Take apart a topic that a device publishes to; None when no such topic exists."""
    match topic.split("/"):
        case ["iot", "v1", device, *tail] if is_device_id(device):
            return _parse_tail(device, tail)
        case ["$aws", "things", device, "shadow", *tail] if is_device_id(device):
            return _parse_shadow(device, tail, Dialect.AWS)
    return None


def _parse_tail(device: str, tail: list[str]) -> Route | None:
    match tail:
        case [simple] if simple in _SIMPLE:
            return Route(device, _SIMPLE[simple])
        case ["shadow", *rest]:
            return _parse_shadow(device, rest, Dialect.OWN)
        case ["command", command_id, "response"] if command_id:
            return Route(device, Kind.COMMAND_RESPONSE, command_id=command_id)
    return None


def _parse_shadow(device: str, tail: list[str], dialect: Dialect) -> Route | None:
    match tail:
        case [verb] if verb in _SHADOW:
            return Route(device, _SHADOW[verb], dialect=dialect)
        case ["name", name, verb] if verb in _SHADOW and is_shadow_name(name):
            return Route(device, _SHADOW[verb], name=name, dialect=dialect)
    return None


def telemetry(device: str) -> str:
    """Where a device publishes readings."""
    return f"{PREFIX}/{device}/telemetry"


def event(device: str) -> str:
    """Where a device publishes events."""
    return f"{PREFIX}/{device}/event"


def status(device: str) -> str:
    """Where a device publishes its own status text."""
    return f"{PREFIX}/{device}/status"


def every_topic_filter(device: str) -> str:
    """Everything of one device."""
    return f"{PREFIX}/{device}/#"


def every_aws_filter(device: str) -> str:
    """All of one device's shadows in AWS's dialect."""
    return f"{AWS_PREFIX}/{device}/shadow/#"


def shadow(device: str, verb: str, name: str | None = None, dialect: Dialect = Dialect.OWN) -> str:
    """A shadow request topic; verb is ``get``, ``update`` or ``delete``."""
    root = f"{dialect.value}/{device}/shadow"
    return f"{root}/{verb}" if name is None else f"{root}/name/{name}/{verb}"


def shadow_reply(device: str, verb: str, outcome: str, name: str | None = None, dialect: Dialect = Dialect.OWN) -> str:
    """A shadow reply topic; outcome is ``accepted``, ``rejected``, ``delta`` or ``documents``."""
    return f"{shadow(device, verb, name, dialect)}/{outcome}"


def command_request(device: str, command_id: str) -> str:
    """Where the platform sends a command."""
    return f"{PREFIX}/{device}/command/{command_id}/request"


def command_request_filter(device: str) -> str:
    """What a device subscribes to for its commands."""
    return command_request(device, "+")


def command_response(device: str, command_id: str) -> str:
    """Where a device answers a command."""
    return f"{PREFIX}/{device}/command/{command_id}/response"


def command_id_of_request(topic: str) -> str | None:
    """The command id in a request topic, or None when it is another topic."""
    levels = topic.split("/")
    return levels[4] if len(levels) == 6 and levels[3] == "command" and levels[5] == "request" else None


def is_filter(text: str) -> bool:
    """Whether the text is a valid MQTT topic filter (MQTT 3.1.1, section 4.7)."""
    levels = text.split("/")
    if not text or "\0" in text or len(levels) > MAX_DEPTH:
        return False
    last = len(levels) - 1
    return all(
        level in ("+", "") or ("+" not in level and ((level == "#" and i == last) or "#" not in level))
        for i, level in enumerate(levels)
    )


def is_topic_name(text: str) -> bool:
    """Whether the text may be published to: not empty, no wildcard, no NUL."""
    return bool(text) and not any(c in text for c in "+#\0")


def is_own_filter(device: str, text: str) -> bool:
    """Whether a filter can match only topics of this device."""
    return is_filter(text) and text.startswith((f"{PREFIX}/{device}/", f"{AWS_PREFIX}/{device}/shadow/"))


def published_by(device: str) -> list[str]:
    """Filters that together match everything a device may publish, and nothing else."""
    own = [f"{PREFIX}/{device}/{tail}" for tail in (*_SIMPLE, "command/+/response")]
    return own + [shadow(device, verb, name, dialect) for dialect in Dialect for name in (None, "+") for verb in _SHADOW]


def overlap(one: str, other: str) -> bool:
    """Whether a topic can exist that both filters match."""
    mine, theirs = one.split("/"), other.split("/")
    for a, b in zip(mine, theirs, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    longer = mine[len(theirs) :] or theirs[len(mine) :]
    return not longer or longer == ["#"]


def matches(text: str, topic: str) -> bool:
    """Whether a topic filter matches a topic name; both are valid."""
    return levels_match(text.split("/"), topic.split("/"))


def levels_match(pattern: list[str], levels: list[str]) -> bool:
    """The same of what is split at the slashes already. Topics beginning with $ match no leading wildcard (MQTT 3.1.1, 4.7.2)."""
    if levels[0][:1] == "$" and pattern[0] in ("+", "#"):
        return False
    for index, wanted in enumerate(pattern):
        if wanted == "#":
            return True
        if index >= len(levels) or wanted not in ("+", levels[index]):
            return False
    return len(pattern) == len(levels)
