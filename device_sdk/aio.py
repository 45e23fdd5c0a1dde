"""A device on aiomqtt, for asyncio programs."""

import asyncio
import inspect
import logging
import math
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from random import Random
from types import TracebackType
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from device_sdk.base import BaseDevice
from device_sdk.handlers import Answer, AsyncHandler, failed, succeeded, unknown
from device_sdk.outbox import Done, Message
from device_sdk.reconnect import ShortSessions, full_jitter
from device_sdk.session import WINDOW, Desired
from iotsphere.errors import Refused
from iotsphere.messages import CommandRequest

log = logging.getLogger("device_sdk")
CONNECT_S = 10.0
INCOMING = 1000  # messages between paho and our reader, which never waits; aiomqtt's policy: drop_newest
SUBACK_REFUSED = 0x80


class AioTicket:
    """What became of one message. Await it for the PUBACK (True) or its loss (False), or leave it alone."""

    def __init__(self) -> None:
        self._finished = asyncio.Event()
        self._acknowledged = False
        self._callback: Done | None = None

    def _finish(self, acknowledged: bool) -> None:
        self._acknowledged = acknowledged
        self._finished.set()
        if self._callback is not None:
            self._callback(acknowledged)

    @property
    def done(self) -> bool:
        """Whether its PUBACK came: the platform has it."""
        return self._acknowledged

    def then(self, callback: Done) -> None:
        """Call it when the message is acknowledged (True) or lost (False); at once when it is already. One at most."""
        if self._finished.is_set():
            callback(self._acknowledged)
        else:
            self._callback = callback

    async def wait(self) -> bool:
        """Wait for the PUBACK. False: dropped for want of room, or the device was closed."""
        await self._finished.wait()
        return self._acknowledged

    def __await__(self) -> Generator[Any, None, bool]:
        return self.wait().__await__()


class AioDevice(BaseDevice[AsyncHandler, AioTicket]):
    """A device in the running event loop; handlers may be coroutine functions. See BaseDevice for the arguments."""

    def _set_up(self) -> None:
        self._outgoing = asyncio.Event()
        self._incoming = asyncio.Event()
        self._settled = asyncio.Event()  # something was acknowledged, a session began or an attempt failed
        self._refused: Refused | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # ── life ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self, timeout: float = 10.0) -> None:
        """Start, and wait at most ``timeout`` seconds for the first session.

        A broker that cannot be reached is no error: the device goes on trying.

        Raises:
            Refused: the broker answered and said no, or it is not the one that the authority vouches for.
            Misconfigured: a certificate file is missing or wrong.
        """
        tls = await asyncio.to_thread(self._credentials.tls)
        self._tasks = [
            asyncio.create_task(self._run(tls), name=f"device-{self.id}"),
            asyncio.create_task(self._work(), name=f"device-{self.id}-handlers"),
        ]
        await self._until(lambda: self._session.connected or self._refused is not None, timeout)
        if self._refused is not None:
            await self.close(0.0)
            raise self._refused

    async def close(self, timeout: float = 5.0) -> None:
        """Wait at most ``timeout`` seconds for the backlog while connected, then disconnect and end every task."""
        await self._until(lambda: not self._session.busy, timeout)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._session.close()

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

    async def _run(self, tls: ssl.SSLContext) -> None:
        delays, short = full_jitter(Random()), ShortSessions()
        while True:
            began = time.monotonic()
            error = await self._connection(tls)
            lasted = self._session.connected
            if lasted:
                error = short.ended(time.monotonic() - began, error)
            self._session.disconnected()
            self._lost(error, log_it=lasted or not self.last_error)
            delays = full_jitter(Random()) if lasted else delays
            await asyncio.sleep(next(delays))

    async def _connection(self, tls: ssl.SSLContext) -> str:
        """Serve one connection; returns why it ended."""
        try:
            await self._serve(tls)
        except MqttConnectError as error:
            self._refused = Refused("protocol", f"the broker refused the connection: {error}")
            return str(error)
        except Refused as error:
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
        return "the connection ended"

    def _lost(self, error: str, *, log_it: bool) -> None:
        self.last_error = error
        self._settled.set()
        if log_it:
            log.warning("%s is not connected to %s:%d: %s", self.id, self._credentials.host, self._credentials.port, error)

    async def _serve(self, tls: ssl.SSLContext) -> None:
        client = aiomqtt.Client(
            self._credentials.host,
            self._credentials.port,
            identifier=self.id,
            clean_session=True,
            tls_context=tls,
            keepalive=self._keep_alive,
            timeout=CONNECT_S,
            max_inflight_messages=0,  # the session keeps the window
            max_queued_incoming_messages=INCOMING,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = WINDOW
        async with _connected(client):
            await self._subscribe(client)
            await self._exchange(client)

    async def _exchange(self, client: aiomqtt.Client) -> None:
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(client), name=f"device-{self.id}-read")
                tasks.create_task(self._write(client, tasks), name=f"device-{self.id}-write")
        except* aiomqtt.MqttError as errors:
            error = errors.exceptions[0]
        if error is not None:  # raised out here: before Python 3.11.4 what an except* raises comes wrapped in a group
            raise aiomqtt.MqttError(str(error))

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        granted = await client.subscribe([(topic, 1) for topic in self._session.subscriptions])
        if any(int(code) >= SUBACK_REFUSED for code in granted if isinstance(code, int)):
            raise Refused("acl", "the broker refused the subscriptions")
        self._session.established()
        self._outgoing.set()
        self._settled.set()

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            self._session.received(str(message.topic), payload if isinstance(payload, bytes) else b"")
            self._outgoing.set()
            self._incoming.set()

    async def _write(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while (message := self._session.take()) is not None:
                tasks.create_task(self._send(client, message), name=f"device-{self.id}-send")

    async def _send(self, client: aiomqtt.Client, message: Message) -> None:
        await client.publish(message.topic, self._session.payload(message), qos=1, timeout=math.inf)
        self._session.acknowledged(message)
        self._outgoing.set()
        self._settled.set()

    def _queue(self, call: Callable[[Done], None]) -> AioTicket:
        ticket = AioTicket()
        call(ticket._finish)
        self._outgoing.set()
        return ticket

    async def _work(self) -> None:
        while True:
            await self._incoming.wait()
            self._incoming.clear()
            while (work := self._session.next_work()) is not None:
                await (self._obey(work) if isinstance(work, Desired) else self._execute(work))
                self._outgoing.set()

    async def _obey(self, work: Desired) -> None:
        if self._desired_handler is None:
            return
        try:
            answer = await _call(self._desired_handler, work.delta)
        except Exception:  # a defect of the program must not end the device
            log.exception("the handler of desired properties raised")
            return
        if answer:
            self._session.report(answer)

    async def _execute(self, request: CommandRequest) -> None:
        handler = self._command_handlers.get(request.name)
        if handler is None:
            response = unknown(request)
        else:
            try:
                response = succeeded(await _call(handler, request.params))
            except Exception as error:  # told to the platform, with its reason
                response = failed(request, error)
        self._session.answer(request.id, response)


async def _call(handler: AsyncHandler, argument: dict[str, Any]) -> Answer:
    answer = handler(argument)
    return await answer if inspect.isawaitable(answer) else answer


@asynccontextmanager
async def _connected(client: aiomqtt.Client) -> AsyncIterator[None]:
    # aiomqtt connects in a thread, which goes on when its task is cancelled and would leave a session behind that
    # nobody owns: wait for it, at most the connect's time-out, and end what it began.
    entering = asyncio.create_task(client.__aenter__(), name="device-connect")
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait({entering})
        if entering.exception() is None:
            await client.__aexit__(None, None, None)
        raise
    try:
        yield
    finally:
        await client.__aexit__(None, None, None)
