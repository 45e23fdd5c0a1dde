"""A device on paho-mqtt, for programs with threads."""

import logging
import threading
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any

from device_sdk.base import BaseDevice
from device_sdk.handlers import Handler, failed, succeeded, unknown
from device_sdk.link import Link
from device_sdk.outbox import Done
from device_sdk.reconnect import ShortSessions, full_jitter
from device_sdk.session import Desired
from iotsphere.errors import Refused
from iotsphere.messages import CommandRequest

log = logging.getLogger("device_sdk")


class Ticket:
    """What became of one message."""

    def __init__(self) -> None:
        self._finished = threading.Event()
        self._acknowledged = False

    def _finish(self, acknowledged: bool) -> None:
        self._acknowledged = acknowledged
        self._finished.set()

    @property
    def done(self) -> bool:
        """Whether its PUBACK came: the platform has it."""
        return self._acknowledged

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the PUBACK, at most ``timeout`` seconds. False: not yet, or dropped for want of room."""
        self._finished.wait(timeout)
        return self._acknowledged


class Device(BaseDevice[Handler, Ticket]):
    """A device with threads: one that connects, paho's own, and one in which the handlers run, one at a time.

    Handlers may take their time, publish and wait. See BaseDevice for the arguments.
    """

    def _set_up(self) -> None:
        self._changed = threading.Condition()  # guards the session; never held while paho is called
        self._closing = threading.Event()
        self._refused: Refused | None = None
        self._threads: list[threading.Thread] = []

    # ── life ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, timeout: float = 10.0) -> None:
        """Start, and wait at most ``timeout`` seconds for the first session.

        A broker that cannot be reached is no error: the device goes on trying.

        Raises:
            Refused: the broker answered and said no, or it is not the one that the authority vouches for.
            Misconfigured: a certificate file is missing or wrong.
        """
        tls = self._credentials.tls()
        self._closing.clear()
        self._threads = [
            threading.Thread(target=self._run, args=(tls,), name=f"device-{self.id}", daemon=True),
            threading.Thread(target=self._work, name=f"device-{self.id}-handlers", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._session.connected or self._refused, timeout)
            refused = self._refused
        if refused is not None:
            self.close(0.0)
            raise refused

    def close(self, timeout: float = 5.0) -> None:
        """Wait at most ``timeout`` seconds for the backlog while connected, then disconnect and end every thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._session.busy, timeout)
            self._closing.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._session.close()

    def __enter__(self) -> "Device":
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self, tls: Any) -> None:
        delays, short = full_jitter(Random()), ShortSessions()
        while not self._closing.is_set():
            began = time.monotonic()
            link = Link(self._credentials, tls, self._keep_alive, self._session, self._changed)
            try:
                lasted, error = link.run(self._closing)
            except Refused as refusal:
                lasted, error = False, str(refusal)
                with self._changed:
                    self._refused = refusal
            if lasted:
                error = short.ended(time.monotonic() - began, error)
            self._lost("" if self._closing.is_set() else error, log_it=lasted or not self.last_error)
            delays = full_jitter(Random()) if lasted else delays
            self._closing.wait(next(delays))

    def _lost(self, error: str, *, log_it: bool) -> None:
        with self._changed:
            self._session.disconnected()
            if error:
                self.last_error = error
            self._changed.notify_all()
        if error and log_it:
            log.warning("%s is not connected to %s:%d: %s", self.id, self._credentials.host, self._credentials.port, error)

    def _queue(self, call: Callable[[Done], None]) -> Ticket:
        ticket = Ticket()
        with self._changed:
            call(ticket._finish)
            self._changed.notify_all()
        return ticket

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._session.has_work or self._closing.is_set())
                if self._closing.is_set():
                    return
                work = self._session.next_work()
            if isinstance(work, Desired):
                self._obey(work)
            elif work is not None:
                self._execute(work)

    def _obey(self, work: Desired) -> None:
        if self._desired_handler is None:
            return
        try:
            answer = self._desired_handler(work.delta)
        except Exception:  # a defect of the program must not end the device
            log.exception("the handler of desired properties raised")
            return
        if answer:
            self.report(answer)

    def _execute(self, request: CommandRequest) -> None:
        handler = self._command_handlers.get(request.name)
        if handler is None:
            response = unknown(request)
        else:
            try:
                response = succeeded(handler(request.params))
            except Exception as error:  # told to the platform, with its reason
                response = failed(request, error)
        with self._changed:
            self._session.answer(request.id, response)
            self._changed.notify_all()
