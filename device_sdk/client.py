"""A device on paho-mqtt, for programs with threads."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from types import TracebackType
from typing import Any

from device_sdk.base import BaseDevice, Readings, as_readings
from device_sdk.bells import Bells
from device_sdk.handlers import Handler, failed, succeeded, unfit, unknown
from device_sdk.link import Link
from device_sdk.outbox import Priority
from device_sdk.readings import Reading
from device_sdk.receipt import Receipt, State
from device_sdk.reconnect import FullJitter, ShortSessions
from device_sdk.session import Desired, Severity
from device_sdk.writer import LAZY_S, GroupWriter
from iotsphere.errors import InvalidInput, Misconfigured, Refused
from iotsphere.messages import CommandRequest, CommandResponse

log = logging.getLogger("device_sdk")


class Ticket(Receipt):
    """What became of one call: wait() for the PUBACK, or leave it alone."""

    __slots__ = ("_bells",)

    def __init__(self, bells: Bells) -> None:
        super().__init__()
        self._bells = bells

    def _changed(self) -> None:
        if self.state is State.GONE:  # PUBACKs are rung together
            self._bells.settled.notify_all()

    @property
    def done(self) -> bool:
        """Whether its PUBACK came: the platform has it, stored or refused with its reason."""
        return self.state is State.ACKNOWLEDGED

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the PUBACK, at most ``timeout`` seconds. False: not yet, or it was dropped, or the device was closed."""
        with self._bells.lock:
            self._bells.settled.wait_for(lambda: self.state not in (State.KEEPING, State.KEPT), timeout)
        return self.done


class Device(BaseDevice[Handler]):
    """A device with threads: one that connects, paho's own, one that writes, and one in which the handlers run, one at a time.

    Handlers may take their time, publish and wait. See BaseDevice for the arguments. What publish(), event() and status() have
    taken is durable when they return; calls from several threads share a write.
    """

    def _set_up(self) -> None:
        self._bells = Bells()
        self._closing = threading.Event()
        self._refused: Refused | Misconfigured | None = None
        self._threads: list[threading.Thread] = []
        self._writer = None if self._journal is None else GroupWriter(self._bells, self._session.keeping, self._journal)

    # ── life ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, timeout: float = 10.0) -> None:
        """Start, and wait at most ``timeout`` seconds for the first session.

        A broker that cannot be reached is no error: the device goes on trying.

        Raises:
            Refused: the broker answered and said no, or it is not the one that the authority vouches for.
            Misconfigured: a certificate file is missing or wrong.
        """
        self._tls.context()
        self._closing.clear()
        self._refused = None
        self._session.open()
        self._threads = [
            threading.Thread(target=target, name=f"device-{self.id}{tail}", daemon=True)
            for target, tail in ((self._run, ""), (self._work, "-handlers"), (self._store, "-store"))
        ]
        for thread in self._threads:
            thread.start()
        with self._bells.lock:
            self._bells.settled.wait_for(lambda: self._session.connected or self._refused, timeout)
            refused = self._refused
        if refused is not None:
            self.close(0.0)
            raise refused

    def close(self, timeout: float = 5.0) -> None:
        """Wait at most ``timeout`` seconds for the backlog while connected, then disconnect and end every thread.

        What is not acknowledged by then stays in the outbox's file for the next start.
        """
        with self._bells.lock:
            self._session.close()
            self._bells.all()
            self._bells.settled.wait_for(lambda: not self._session.busy, timeout)
            self._closing.set()
            self._bells.all()
        for thread in self._threads:
            thread.join()
        self._threads = []
        with self._bells.lock:
            self._session.abandon()
            if self._writer is not None:
                self._writer.write()
            self._bells.all()
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> "Device":
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        options = self._options
        jitter, short = FullJitter(Random(), options.first_retry_s, options.longest_retry_s), ShortSessions()
        while not self._closing.is_set():
            began = time.monotonic()
            lasted, error = self._attempt()
            if lasted:
                jitter.served(time.monotonic() - began)
                error = short.ended(time.monotonic() - began, error)
            self._lost("" if self._closing.is_set() else error, log_it=lasted or not self.last_error)
            self._closing.wait(jitter.next())

    def _attempt(self) -> tuple[bool, str]:
        self.attempts += 1
        try:
            return Link(self._credentials, self._tls.context(), self._options, self._session, self._bells).run(self._closing)
        except (Refused, Misconfigured) as refusal:
            self._refused = refusal
            return False, str(refusal)
        except Exception as error:  # a defect must not leave the device disconnected for ever
            log.exception("%s: the connection failed", self.id)
            return False, f"{type(error).__name__}: {error}"

    def _lost(self, error: str, *, log_it: bool) -> None:
        with self._bells.lock:
            self._session.disconnected()
            if error:
                self.last_error = error
            self._bells.all()
        if error and log_it:
            log.warning("%s is not connected to %s:%d: %s", self.id, self._credentials.host, self._credentials.port, error)

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, values: Mapping[str, float], ts: float | None = None, *, priority: Priority = "normal") -> Ticket:
        """Send readings of one moment; ``ts`` in ms since the Unix epoch, now when absent.

        Raises:
            InvalidInput: a reading that is no finite number or that the device type does not declare, or no moment of a calendar.
            OutboxUnavailable: the disk is full or broken; nothing was kept.
        """
        return self._keep(lambda ticket: self._session.publish([Reading(values, ts)], ticket, priority))

    def publish_all(self, readings: Readings, *, priority: Priority = "normal") -> Ticket:
        """Send readings of many moments in one write, as few messages; raises as publish()."""
        return self._keep(lambda ticket: self._session.publish(as_readings(readings), ticket, priority))

    def event(
        self,
        name: str,
        severity: Severity = "info",
        data: Mapping[str, Any] | None = None,
        *,
        priority: Priority = "normal",
    ) -> Ticket:
        """Send an event; ``severity`` is info, warning, error or critical.

        Raises:
            InvalidInput: a name that is empty, too long or not printable, another severity, or more data than a message holds.
            OutboxUnavailable: the disk is full or broken; nothing was kept.
        """
        return self._keep(lambda ticket: self._session.event(name, severity, data, ticket, priority))

    def status(self, text: str) -> Ticket:
        """Send the device's own status text; it changes nothing about its presence. Raises as event()."""
        return self._keep(lambda ticket: self._session.status(text, ticket))

    def report(self, properties: Mapping[str, Any]) -> Ticket:
        """Report properties to the shadow; None deletes one, refused() and its like answer what is desired of it.

        What was reported before is not sent again.

        State is kept in memory: after a restart the program reports what is so then.

        Raises:
            InvalidInput: the device type declares no such property, or another kind of value.
        """
        return self._keep(lambda ticket: self._session.report(properties, ticket))

    def _keep(self, call: Callable[[Ticket], None]) -> Ticket:
        ticket = Ticket(self._bells)
        with self._bells.lock:
            call(ticket)
            if self._writer is not None and ticket.state is State.KEEPING:
                self._writer.wait(ticket)
            else:  # a report, or an outbox in memory
                self._bells.outgoing.notify_all()
        if ticket.error is not None:
            raise ticket.error
        return ticket

    # ── writing and handling ───────────────────────────────────────────────────────────────────────────────────────

    def _store(self) -> None:
        """Write what no caller waits for."""
        well = True
        while self._writer is not None and not self._closing.is_set():
            with self._bells.lock:
                self._bells.store.wait_for(
                    lambda: self._closing.is_set() or (well and self._session.keeping.write_wanted),  # noqa: B023 - at once
                    LAZY_S,
                )
                well = self._writer.write()

    def _work(self) -> None:
        while True:
            with self._bells.lock:
                self._bells.work.wait_for(lambda: self._session.has_work or self._closing.is_set())
                if self._closing.is_set():
                    return
                work = self._session.next_work()
                self._bells.store.notify_all()
                self._bells.outgoing.notify_all()
            if isinstance(work, Desired):
                self._obey(work)
            elif work is not None:
                self._execute(work)

    def _obey(self, work: Desired) -> None:
        if self._desired_handler is None:
            return
        try:
            if answer := self._desired_handler(work.delta):
                self._keep(lambda ticket: self._session.report(answer, ticket, work.version))
        except Exception:  # a defect of the program must not end the device
            log.exception("the handler of desired properties raised")

    def _execute(self, request: CommandRequest) -> None:
        response = self._response(request)
        with self._bells.lock:
            self._session.answer(request.id, response)
            self._bells.all()

    def _response(self, request: CommandRequest) -> CommandResponse:
        handler = self._command_handlers.get(request.name)
        if handler is None:
            return unknown(request)
        try:
            params = self._typed.parameters(request)
        except InvalidInput as error:
            return unfit(error)
        try:
            return succeeded(handler(params))
        except Exception as error:  # told to the platform, with its reason
            return failed(request, error)
