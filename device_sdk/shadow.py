"""The device's end of its shadow: which documents are news, what must still be reported. Pure."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from iotsphere.answers import plain

Document = dict[str, Any]


class DeviceShadow:
    """What the device knows of its shadow.

    Reports are state, not messages: while one is on its way later ones are merged into the next, and after a reconnect
    whatever the platform does not have is reported again. So they need no queue and cannot overflow one.

    Attributes:
        version: of the newest document seen; 0 for none.
        desired: the desired section of that document.
        desired_version: in which desired was last changed.
        reported: everything reported since the start.
        held: what the platform was told last of each property, by an earlier run too; empty before the first document.
    """

    def __init__(self) -> None:
        self.version = 0
        self.desired: Document = {}
        self.desired_version = 0
        self.reported: Document = {}
        self.held: Document = {}
        self._synchronised = False
        self._seen: tuple[int, Document] | None = None
        self._pending: Document = {}
        self._in_flight: Document | None = None

    def disconnected(self) -> None:
        """A report on its way may not have arrived: it is due again. Versions are compared anew after the next get()."""
        self._synchronised = False
        self._seen = None
        if self._in_flight is not None:
            self._pending, self._in_flight = overlay(self._in_flight, self._pending), None

    def got(self, document: Document) -> Document | None:
        """The answer to our shadow/get. The first one of a connection is the truth, whatever its version is.

        Returns:
            The delta to act upon, or None.
        """
        if self._synchronised and document["version"] < self.version:
            return None
        state = document.get("state") or {}
        self._take(document, state.get("desired"))
        self._synchronised = True
        found = state.get("reported") or {}
        self.report(_unsaid(self.reported, found))
        self._pending = overlay(difference(self.reported, found), self._pending)
        self.held = merge(found, self._pending)
        return self._news(state.get("delta") or {})

    def unread(self, *, absent: bool) -> None:
        """Our shadow/get was refused: there is none, or it cannot be read now. Either way everything is reported."""
        if absent:
            self._take({"version": 0}, None)
        self._synchronised = True
        self._pending = overlay(self.reported, self._pending)

    def delta(self, document: Document) -> Document | None:
        """A delta came. Equal versions count: the delta of an update has the version of its other messages.

        Returns:
            The delta to act upon, or None for an old or a repeated one.
        """
        if document["version"] < self.version:
            return None
        state = document.get("state") or {}
        self._take(document, merge(self.desired, state))
        return self._news(state)

    def documents(self, document: Document) -> None:
        """The whole document after a change: the only message that shows that a wish was withdrawn."""
        current = document["current"]
        if current["version"] >= self.version:
            state = current.get("state") or {}
            self._take(current, state.get("desired"))
            held = {key: plain(value) for key, value in (state.get("reported") or {}).items()}
            if not difference(self.desired, held):
                self._seen = None  # it is so: should it be otherwise one day, the wish is news again

    def report(self, properties: Mapping[str, Any]) -> None:
        """Note what is to be reported; None deletes a property.

        What was reported before is left out: a device that answers a wish with the same refusal each time would
        otherwise make a new version, and so a new delta, for ever.
        """
        self._pending = overlay(self._pending, difference(properties, self.reported))
        self.reported = merge(self.reported, properties)
        self.held = merge(self.held, properties)

    @property
    def settled(self) -> bool:
        """Whether the platform has everything that was reported."""
        return self._in_flight is None and not self._pending

    @property
    def report_on_its_way(self) -> bool:
        """Whether a report waits for its PUBACK."""
        return self._in_flight is not None

    @property
    def report_due(self) -> bool:
        """Whether take_report() has something: one report at a time, and none before the shadow was read."""
        return self._synchronised and self._in_flight is None and bool(self._pending)

    def take_report(self) -> Document:
        """What to send; it is on its way until report_acknowledged()."""
        self._in_flight, self._pending = self._pending, {}
        return self._in_flight

    def report_acknowledged(self) -> None:
        """The platform has it."""
        self._in_flight = None

    def _take(self, document: Document, desired: Document | None) -> None:
        self.version, self.desired = document["version"], desired or {}
        self.desired_version = document.get("desired_version", self.version)

    def _news(self, delta: Document) -> Document | None:
        # A get and a delta may tell the same at once, and so does the delta that follows an answer to the wish: act once.
        if not delta or self._seen == (self.desired_version, delta):
            return None
        self._seen = (self.desired_version, delta)
        return deepcopy(delta)


def _unsaid(reported: Document, found: Mapping[str, Any]) -> Document:
    """The values that hold by what the platform was told before, for answers that were given before that was known."""
    silent = {key for key, value in reported.items() if isinstance(value, Mapping) and plain(value) is None}
    return {key: {"value": value} for key in silent if (value := plain(found.get(key))) is not None}


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """A document with a merge patch applied (RFC 7396): None deletes."""
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            old = merged.get(key)
            merged[key] = merge(old if isinstance(old, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def overlay(first: Mapping[str, Any], second: Mapping[str, Any]) -> Document:
    """Two merge patches as one: the second wins, and its None values stay."""
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        merged[key] = overlay(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Document:
    """A patch that brings every key of ``wanted`` into ``found``."""
    patch: Document = {}
    for key, value in wanted.items():
        other = found.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            if inner := difference(value, other):
                patch[key] = inner
        elif value != other:
            patch[key] = value
    return patch
