"""What both clients share: who the device is, its handlers, its state, and what it can say."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from device_sdk.credentials import Credentials
from device_sdk.outbox import Done, MemoryOutbox, Policy
from device_sdk.session import TELEMETRY, DeviceSession, Severity

H = TypeVar("H", bound=Callable[[dict[str, Any]], Any])
T = TypeVar("T")


class BaseDevice(ABC, Generic[H, T]):
    """One device. It connects, and reconnects for as long as it is open; what is published meanwhile waits in memory.

    Args:
        id: the device id, which is also the client id and the certificate's CN.
        ca, certificate, key: PEM files.
        outbox: telemetry messages kept while the broker is away.
        policy: what goes when the outbox is full.
        keep_alive: seconds.

    Attributes:
        last_error: why the device is not connected, or was not before; "" for nothing yet.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's name
        host: str = "localhost",
        port: int = 8883,
        *,
        ca: Path | str,
        certificate: Path | str,
        key: Path | str,
        outbox: int = TELEMETRY,
        policy: Policy = "drop_oldest",
        keep_alive: int = 60,
    ) -> None:
        self.id = id
        self.last_error = ""
        self._credentials = Credentials(id, host, port, Path(ca), Path(certificate), Path(key))
        self._keep_alive = keep_alive
        self._session = DeviceSession(id, outbox=MemoryOutbox(outbox, policy))
        self._command_handlers: dict[str, H] = {}
        self._desired_handler: H | None = None
        self._set_up()

    @abstractmethod
    def _set_up(self) -> None:
        """Make what this client needs besides; in place of an __init__, whose arguments are the same for both."""

    @classmethod
    def from_directory(cls, directory: Path | str, id: str, **options: Any) -> Self:  # noqa: A002 - the field's name
        """The device whose ID.json and keys lie in a directory, as `iotsphere device add` writes them.

        Raises:
            Misconfigured: the file is missing or wrong.
        """
        found = Credentials.load(directory, id)
        return cls(id, found.host, found.port, ca=found.ca, certificate=found.certificate, key=found.key, **options)

    # ── handlers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def on_command(self, name: str) -> Callable[[H], H]:
        """Decorator: call it with the parameters of each command of that name; what it returns is the result."""

        def register(handler: H) -> H:
            self._command_handlers[name] = handler
            return handler

        return register

    def on_desired(self, handler: H) -> H:
        """Decorator: call it with what is desired and not reported yet; what it returns is reported."""
        self._desired_handler = handler
        return handler

    # ── state ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        """Whether a session is up and its subscriptions are granted."""
        return self._session.connected

    @property
    def backlog(self) -> int:
        """Messages without PUBACK."""
        return self._session.backlog

    @property
    def dropped(self) -> int:
        """Messages that had to go because the outbox was full."""
        return self._session.dropped

    @property
    def desired(self) -> dict[str, Any]:
        """The desired section of the shadow as last seen."""
        return self._session.shadow.desired

    @property
    def desired_version(self) -> int:
        """The version in which desired was last changed, as last seen: what an answer to it names as ``av``."""
        return self._session.shadow.desired_version

    @property
    def reported(self) -> dict[str, Any]:
        """Everything reported since the start."""
        return self._session.shadow.reported

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, values: Mapping[str, float], ts: float | None = None) -> T:
        """Send readings; ``ts`` in ms since the Unix epoch, now when absent.

        Raises:
            InvalidInput: a reading that is no finite number.
        """
        return self._queue(lambda done: self._session.publish(values, ts, done))

    def report(self, properties: Mapping[str, Any]) -> T:
        """Report properties to the shadow; None deletes one. What was reported before is not sent again."""
        return self._queue(lambda done: self._session.report(properties, done))

    def event(self, name: str, severity: Severity = "info", data: Mapping[str, Any] | None = None) -> T:
        """Send an event."""
        return self._queue(lambda done: self._session.event(name, severity, data, done))

    def status(self, text: str) -> T:
        """Send the device's own status text; it changes nothing about its presence."""
        return self._queue(lambda done: self._session.status(text, done))

    @abstractmethod
    def _queue(self, call: Callable[[Done], None]) -> T:
        """Let the session keep a message; returns what its sender can wait on."""
