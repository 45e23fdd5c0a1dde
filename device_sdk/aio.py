"""A device on aiomqtt, for asyncio programs."""

import asyncio
import inspect
import logging
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from random import Random
from types import TracebackType
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from device_sdk.aio_link import AioLink
from device_sdk.aio_writer import TaskWriter
from device_sdk.base import BaseDevice, Readings, as_readings
from device_sdk.handlers import Answer, AsyncHandler, failed, succeeded, unfit, unknown
from device_sdk.outbox import Priority
from device_sdk.readings import Reading
from device_sdk.receipt import Receipt, State
from device_sdk.reconnect import FullJitter, ShortSessions
from device_sdk.session import Desired, Severity
from iotsphere.errors import InvalidInput, Misconfigured, Refused
from iotsphere.messages import CommandRequest, CommandResponse
from iotsphere.pause import set_within

log = logging.getLogger("device_sdk")
Done = Callable[[bool], None]


class AioTicket(Receipt):
    """What became of one call. Await it for the PUBACK (True) or its loss (False), or leave it alone."""

    __slots__ = ("_callback", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._callback: Done | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def done(self) -> bool:
        """Whether its PUBACK came: the platform has it, stored or refused with its reason."""
        return self.state is State.ACKNOWLEDGED

    def then(self, callback: Done) -> None:
        """Call it when the message is acknowledged (True) or lost (False); at once when it is already. One at most."""
        self._callback = callback
        self._changed()

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if self._callback is not None and self.state not in (State.KEEPING, State.KEPT):
            callback, self._callback = self._callback, None
            callback(self.done)

    async def _leave(self, *states: State) -> None:
        """Wait until it is in none of these states."""
        while self.state in states:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    async def wait(self) -> bool:
        """Wait for the PUBACK. False: dropped for want of room, or the device was closed."""
        await self._leave(State.KEEPING, State.KEPT)
        return self.done

    def __await__(self) -> Generator[Any, None, bool]:
        return self.wait().__await__()


class AioDevice(BaseDevice[AsyncHandler]):
    """A device in the running event loop; handlers may be coroutine functions. See BaseDevice for the arguments.

    What publish(), event() and status() have taken is durable when they return; calls of several tasks share a write, which
    is made in a thread.
    """

    def _set_up(self) -> None:
        self._incoming = asyncio.Event()
        self._settled = asyncio.Event()  # something was acknowledged, a session began or an attempt failed
        self._closing = asyncio.Event()
        self._refused: Refused | Misconfigured | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._link: AioLink | None = None
        keeping, journal = self._session.keeping, self._journal
        self._writer = None if journal is None else TaskWriter(self.id, keeping, journal, self._wake)

    # ── life ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self, timeout: float = 10.0) -> None:
        """Start, and wait at most ``timeout`` seconds for the first session.

        A broker that cannot be reached is no error: the device goes on trying.

        Raises:
            Refused: the broker answered and said no, or it is not the one that the authority vouches for.
            Misconfigured: a certificate file is missing or wrong.
        """
        await asyncio.to_thread(self._tls.context)
        self._closing.clear()
        self._refused = None
        self._session.open()
        self._tasks = [
            asyncio.create_task(self._run(), name=f"device-{self.id}"),
            asyncio.create_task(self._work(), name=f"device-{self.id}-handlers"),
        ]
        await self._until(lambda: self._session.connected or self._refused is not None, timeout)
        if self._refused is not None:
            await self.close(0.0)
            raise self._refused

    async def close(self, timeout: float = 5.0) -> None:
        """Wait at most ``timeout`` seconds for the backlog while connected, then disconnect and end every task.

        What is not acknowledged by then stays in the outbox's file for the next start.
        """
        self._session.close()
        self._wake()
        await self._until(lambda: not self._session.busy, timeout)
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._session.abandon()
        if self._writer is not None:
            await self._writer.close()

    async def _until(self, condition: Callable[[], bool], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return

    async def __aenter__(self) -> "AioDevice":
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _run(self) -> None:
        options = self._options
        jitter, short = FullJitter(Random(), options.first_retry_s, options.longest_retry_s), ShortSessions()
        while not self._closing.is_set():  # a cancellation that meets the connection's end is lost in the TaskGroup
            began = time.monotonic()
            # A task for each: the TaskGroup of Python 3.11.2 leaves its task half cancelled, in which no timeout works any more.
            error = await asyncio.create_task(self._attempt(), name=f"device-{self.id}-connection")
            lasted = self._session.connected
            if lasted:
                jitter.served(time.monotonic() - began)
                error = short.ended(time.monotonic() - began, error)
            self._session.disconnected()
            self._lost(error, log_it=lasted or not self.last_error)
            await set_within(self._closing, jitter.next())

    async def _attempt(self) -> str:
        """Serve one connection; returns why it ended."""
        self.attempts += 1
        try:
            tls = await asyncio.to_thread(self._tls.context)
            self._link = AioLink(self._credentials, tls, self._options, self._session, self._wake)
            await self._link.run()
        except MqttConnectError as error:
            self._refused = Refused("protocol", f"the broker refused the connection: {error}")
            return str(error)
        except (Refused, Misconfigured) as error:
            self._refused = error
            return str(error)
        except aiomqtt.MqttError as error:
            # aiomqtt keeps of the TLS error only the text and the context.
            if isinstance(error.__context__, ssl.SSLCertVerificationError):
                self._refused = Refused("tls", f"the broker's certificate is not accepted: {error.__context__.verify_message}")
            return str(error)
        except Exception as error:  # a defect must not leave the device disconnected for ever
            log.exception("%s: the connection failed", self.id)
            return f"{type(error).__name__}: {error}"
        finally:
            self._link = None
        return "the connection ended"

    def _lost(self, error: str, *, log_it: bool) -> None:
        self.last_error = error
        self._settled.set()
        if log_it:
            log.warning("%s is not connected to %s:%d: %s", self.id, self._credentials.host, self._credentials.port, error)

    def _wake(self) -> None:
        """Something has changed: whoever may go on looks again."""
        if self._link is not None:
            self._link.wake()
        if self._session.has_work:
            self._incoming.set()
        self._settled.set()
        if self._writer is not None:
            self._writer.look()

    # ── going out ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def publish(self, values: Mapping[str, float], ts: float | None = None, *, priority: Priority = "normal") -> AioTicket:
        """Send readings of one moment; ``ts`` in ms since the Unix epoch, now when absent.

        Raises:
            InvalidInput: a reading that is no finite number or that the device type does not declare, or no moment of a calendar.
            OutboxUnavailable: the disk is full or broken; nothing was kept.
        """
        return await self._keep(lambda ticket: self._session.publish([Reading(values, ts)], ticket, priority))

    async def publish_all(self, readings: Readings, *, priority: Priority = "normal") -> AioTicket:
        """Send readings of many moments in one write, as few messages; raises as publish()."""
        return await self._keep(lambda ticket: self._session.publish(as_readings(readings), ticket, priority))

    async def event(
        self,
        name: str,
        severity: Severity = "info",
        data: Mapping[str, Any] | None = None,
        *,
        priority: Priority = "normal",
    ) -> AioTicket:
        """Send an event; ``severity`` is info, warning, error or critical.

        Raises:
            InvalidInput: a name that is empty, too long or not printable, another severity, or more data than a message holds.
            OutboxUnavailable: the disk is full or broken; nothing was kept.
        """
        return await self._keep(lambda ticket: self._session.event(name, severity, data, ticket, priority))

    async def status(self, text: str) -> AioTicket:
        """Send the device's own status text; it changes nothing about its presence. Raises as event()."""
        return await self._keep(lambda ticket: self._session.status(text, ticket))

    def report(self, properties: Mapping[str, Any]) -> AioTicket:
        """Report properties to the shadow; None deletes one, refused() and its like answer what is desired of it.

        What was reported before is not sent again.

        State is kept in memory, so there is nothing to await but the PUBACK: after a restart the program reports what is so then.

        Raises:
            InvalidInput: the device type declares no such property, or another kind of value.
        """
        ticket = AioTicket()
        self._session.report(properties, ticket)
        self._wake()
        return ticket

    async def _keep(self, call: Callable[[AioTicket], None]) -> AioTicket:
        ticket = AioTicket()
        call(ticket)
        self._wake()
        await ticket._leave(State.KEEPING)
        if ticket.error is not None:
            raise ticket.error
        return ticket

    # ── handling ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _work(self) -> None:
        while True:
            await self._incoming.wait()
            self._incoming.clear()
            while (work := self._session.next_work()) is not None:
                await (self._obey(work) if isinstance(work, Desired) else self._execute(work))
            self._wake()

    async def _obey(self, work: Desired) -> None:
        if self._desired_handler is None:
            return
        try:
            if answer := await _call(self._desired_handler, work.delta):
                self._session.report(answer, version=work.version)
        except Exception:  # a defect of the program must not end the device
            log.exception("the handler of desired properties raised")

    async def _execute(self, request: CommandRequest) -> None:
        self._session.answer(request.id, await self._response(request))
        self._wake()

    async def _response(self, request: CommandRequest) -> CommandResponse:
        handler = self._command_handlers.get(request.name)
        if handler is None:
            return unknown(request)
        try:
            params = self._typed.parameters(request)
        except InvalidInput as error:
            return unfit(error)
        try:
            return succeeded(await _call(handler, params))
        except Exception as error:  # told to the platform, with its reason
            return failed(request, error)


async def _call(handler: AsyncHandler, argument: dict[str, Any]) -> Answer:
    answer = handler(argument)
    return await answer if inspect.isawaitable(answer) else answer
