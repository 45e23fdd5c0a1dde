"""A platform in memory for tests of devices, offline and in a second: a pytest plug-in.

``pip install "iotsphere[testing]"``, and in conftest.py ``pytest_plugins = ["launcher.testing"]``; see docs/devices.md.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from broker.embedded.engine import EmbeddedBroker
from certs.authority import open_authority
from certs.issue import ensure_server, issue_client
from ingest.decode import Telemetry
from iotsphere.devices import device_type as known_type
from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import NotFound
from iotsphere.identity import identity
from iotsphere.infra.tls import server_context
from iotsphere.messages import CommandRequest, CommandResponse, DeviceEvent
from iotsphere.registry import DeviceRecord
from launcher import credentials
from launcher.offline import ORGANIZATION, MemoryEpochs, OfflineCloud

T = TypeVar("T")
WAIT_S = 10.0
LOOK_S = 0.005


@pytest.fixture
def offline_platform(tmp_path: Path) -> "Iterator[OfflinePlatform]":
    """A running platform; keys and certificates are below the test's own directory."""
    platform = OfflinePlatform(tmp_path / "platform", device_types())
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


class OfflinePlatform:
    """Devices connect to it over mutual TLS as to a real one.

    All of it may be called from any thread; in the event loop of a device that the call would wait for, use
    ``await asyncio.to_thread(…)``.

    Args:
        directory: for keys and certificates.
        types: what is declared.
    """

    def __init__(self, directory: Path, types: Mapping[str, DeviceType]) -> None:
        self._directory, self._devices = directory, directory / "devices"
        self._authority = open_authority(directory / "ca")
        self._cloud = OfflineCloud(types)
        self._epochs = MemoryEpochs()
        self._port = 0
        self._broker: EmbeddedBroker | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="offline-platform", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        self._call(self._open())

    def stop(self) -> None:
        """End every session and the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, device: str, device_type: str) -> Path:
        """Register a device; returns the directory with its files, for ``Device.from_directory(directory, device)``.

        Raises:
            InvalidInput: there is no such type.
        """
        known_type(device_type)
        self._cloud.registry.add(device, device_type)
        issued = issue_client(self._authority, identity(ORGANIZATION, "device", device))
        credentials.write(issued, self._authority, self._devices, device, device_type, f"mqtts://localhost:{self._port}")
        return self._devices

    # ── what the device has said ───────────────────────────────────────────────────────────────────────────────────

    def readings(self, device: str) -> list[Telemetry]:
        """Its readings, in the order in which they came; one that came twice is there twice."""
        return list(self._cloud.spoken[device].readings)

    def events(self, device: str) -> list[DeviceEvent]:
        """Its events."""
        return list(self._cloud.spoken[device].events)

    def status(self, device: str) -> str:
        """Its newest status text, "" for none."""
        return (self._cloud.spoken[device].status or [""])[-1]

    def reported(self, device: str) -> dict[str, Any]:
        """The reported section of its shadow."""
        return self._cloud.shadows.get(device).reported or {}

    def desired(self, device: str) -> dict[str, Any]:
        """The desired section of its shadow."""
        return self._cloud.shadows.get(device).desired or {}

    def delta(self, device: str) -> dict[str, Any]:
        """What is desired and not so."""
        return self._cloud.shadows.get(device).delta or {}

    def refused(self, device: str) -> list[str]:
        """Why messages of it were refused."""
        return list(self._cloud.spoken[device].refused)

    def connected(self, device: str) -> bool:
        """Whether it has a session."""
        return self._broker is not None and device in self._broker.connected()

    # ── what is done to it ─────────────────────────────────────────────────────────────────────────────────────────

    def set_desired(self, device: str, desired: Mapping[str, Any]) -> None:
        """Wish something; a device that is away hears of it when it is back.

        Raises:
            NotFound: no such device was added.
            InvalidInput: the device type does not allow it.
        """
        self._call(self._cloud.desire(self._record(device), desired))

    def command(
        self,
        device: str,
        name: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float = WAIT_S,
        id: str | None = None,  # noqa: A002 - the field's name
    ) -> CommandResponse:
        """Send a command and wait for its final answer. ``id``: sends one that was sent before once more.

        Raises:
            NotFound: no such device was added.
            InvalidInput: the type has no such command, or the parameters are wrong.
            TimeoutError: no final answer in time.
        """
        declared = known_type(self._record(device).device_type)
        declared.check_params(declared.command(name), params or {})
        now, command_id = int(time.time() * 1000), id or secrets.token_hex(8)
        request = CommandRequest(
            id=command_id, name=name, params=dict(params or {}), issued_at=now, expires_at=now + int(timeout * 1000)
        )
        self._cloud.spoken[device].answers.pop(command_id, None)
        self._call(self._cloud.request(device, request))
        answers = self._cloud.spoken[device].answers
        self.until(lambda: command_id in answers and answers[command_id].status != "in_progress", timeout)
        return answers[command_id]

    def cut(self, device: str) -> None:
        """End its connection; it may come back at once."""
        if self._broker is not None:
            self._call(self._broker.kick(device, "kicked"))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens meanwhile; then the platform is back where it was."""
        self._call(self._close())
        try:
            yield
        finally:
            self._call(self._open())

    def until(self, true: Callable[[], Any], timeout: float = WAIT_S) -> None:
        """Wait until it is true.

        Raises:
            TimeoutError: it never was.
        """
        deadline = time.monotonic() + timeout
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout:g} s")
            time.sleep(LOOK_S)

    # ── the thread ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _record(self, device: str) -> DeviceRecord:
        record = self._cloud.registry.get(device)
        if record is None:
            raise NotFound(f"no device {device} was added")
        return record

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(self) -> None:
        certificate, key = ensure_server(self._authority, ["localhost", "127.0.0.1"])
        context = server_context(certificate, key, self._authority.ca_file)
        self._broker = EmbeddedBroker("127.0.0.1", self._port, context, self._cloud.registry, self._epochs)
        self._cloud.attach(self._broker)
        await self._broker.start(self._cloud, self._cloud)
        self._port = self._broker.port

    async def _close(self) -> None:
        if self._broker is not None:
            broker, self._broker = self._broker, None
            await broker.stop()
