"""What both clients share: who the device is, its handlers, its state, and how it begins."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from device_sdk.credentials import Credentials, TlsSource
from device_sdk.journal import Journal
from device_sdk.options import Options
from device_sdk.readings import Reading
from device_sdk.session import DeviceSession
from device_sdk.typed import Typed
from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType

H = TypeVar("H", bound=Callable[[dict[str, Any]], Any])
Readings = Iterable[Reading | Mapping[str, float]]


class BaseDevice(ABC, Generic[H]):
    """One device. It connects, and reconnects for as long as it is open; what is published meanwhile waits in its outbox.

    Args:
        id: the device id, which is also the client id and the certificate's CN.
        ca, certificate, key: PEM files. They are read again when they have changed: a renewed certificate needs no restart.
        device_type: what it measures, reports and obeys; names that the type does not declare are errors. None: anything goes.
        options: fields of Options.

    Attributes:
        last_error: why the device is not connected, or was not before; "" for nothing yet.
        attempts: connections that were tried.

    Raises:
        Misconfigured: the outbox's file cannot be used.
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
        device_type: DeviceType | None = None,
        **options: Any,
    ) -> None:
        self.id = id
        self.last_error = ""
        self.attempts = 0
        self._options = Options(**options)
        self._credentials = Credentials(id, host, port, Path(ca), Path(certificate), Path(key))
        self._tls = TlsSource(self._credentials)
        self._typed = Typed(device_type, undeclared=self._options.undeclared)
        file = self._options.file(id, self._credentials.key)
        self._journal = None if file is None else Journal(file, id, self._options.synchronous)
        self._session = DeviceSession(
            id,
            limits=self._options.limits,
            batching=self._options.batching,
            encoding=self._options.encoding,
            typed=self._typed,
            kept=None if self._journal is None else self._journal.load(),
            clock=self._options.clock,
        )
        self._command_handlers: dict[str, H] = {}
        self._desired_handler: H | None = None
        self._set_up()

    @abstractmethod
    def _set_up(self) -> None:
        """Make what this client needs besides; in place of an __init__, whose arguments are the same for both."""

    @classmethod
    def from_directory(cls, directory: Path | str, id: str, **options: Any) -> Self:  # noqa: A002 - the field's name
        """The device whose ID.json and keys lie in a directory, as `iotsphere device add` writes them.

        Its type is the one in ID.json, if it is known here.

        Raises:
            Misconfigured: a file is missing or wrong.
        """
        found = Credentials.load(directory, id)
        options.setdefault("device_type", device_types().get(found.device_type))
        return cls(id, found.host, found.port, ca=found.ca, certificate=found.certificate, key=found.key, **options)

    # ── handlers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def on_command(self, name: str) -> Callable[[H], H]:
        """Decorator: call it with the parameters of each command of that name; what it returns is the result.

        A command is run at most once: the same request again, after a restart too, gets the same answer.

        Raises:
            InvalidInput: the device type declares no such command.
        """
        self._typed.check_handler(name)

        def register(handler: H) -> H:
            self._command_handlers[name] = handler
            return handler

        return register

    def on_desired(self, handler: H) -> H:
        """Decorator: call it with what is desired and not reported yet; what it returns is reported.

        A value may be refused("why", value=what stays), in_progress() or failed() instead; it answers just this wish.
        """
        self._desired_handler = handler
        return handler

    # ── state ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        """Whether a session is up and its subscriptions are granted."""
        return self._session.connected

    @property
    def backlog(self) -> int:
        """Messages without PUBACK, those that an earlier run has left included."""
        return self._session.backlog

    @property
    def dropped(self) -> int:
        """Readings and other messages that had to go for want of room or for their age, since the start."""
        return self._session.keeping.dropped

    @property
    def rejected(self) -> str:
        """The platform's last word on a refused shadow request, "" for none."""
        return self._session.rejected

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


def as_readings(readings: Readings) -> list[Reading]:
    """Mappings are readings of now."""
    return [reading if isinstance(reading, Reading) else Reading(reading) for reading in readings]
