"""One connection of the asyncio client: from the TCP connect to its end, never reused."""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiomqtt

from device_sdk.credentials import Credentials
from device_sdk.options import Options
from device_sdk.session import WINDOW, DeviceSession, Message
from iotsphere.errors import Refused
from iotsphere.pause import set_within

INCOMING = 1000  # messages between paho and our reader, which never waits; aiomqtt's policy: drop_newest
SUBACK_REFUSED = 0x80
_quiet = logging.Logger("device_sdk.aiomqtt", logging.CRITICAL)  # what aiomqtt would warn of is in its exceptions


class AioLink:
    """Moves messages between a session and a broker.

    Args:
        changed: called when a session has begun, something arrived or was acknowledged.
    """

    def __init__(
        self,
        credentials: Credentials,
        tls: ssl.SSLContext,
        options: Options,
        session: DeviceSession,
        changed: Callable[[], None],
    ) -> None:
        self._session, self._changed = session, changed
        self._name = f"device-{credentials.id}"
        self._outgoing = asyncio.Event()
        self._client = aiomqtt.Client(
            credentials.host,
            credentials.port,
            identifier=credentials.id,
            clean_session=True,
            tls_context=tls,
            keepalive=options.keep_alive,
            timeout=options.connect_s,
            max_inflight_messages=0,  # the session keeps the window
            max_queued_incoming_messages=INCOMING,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_quiet,
        )
        self._client.pending_calls_threshold = WINDOW
        self._client._client.connect_timeout = options.connect_s  # aiomqtt has no argument for it

    def wake(self) -> None:
        """Something may go out."""
        self._outgoing.set()

    async def run(self) -> None:
        """Connect and serve until the connection ends.

        Raises:
            aiomqtt.MqttError: why it ended.
            Refused: the broker refused the subscriptions.
        """
        async with _connected(self._client):
            await self._subscribe()
            await self._exchange()

    async def _subscribe(self) -> None:
        try:  # with aiomqtt's own time-out a cancellation that meets the SUBACK is lost, before Python 3.12
            async with asyncio.timeout(self._client.timeout):
                granted = await self._client.subscribe([(topic, 1) for topic in self._session.subscriptions], timeout=math.inf)
        except TimeoutError:
            raise aiomqtt.MqttError("the broker does not answer the SUBSCRIBE") from None
        if any(int(code) >= SUBACK_REFUSED for code in granted if isinstance(code, int)):
            raise Refused("acl", "the broker refused the subscriptions")
        self._session.established()
        self._outgoing.set()
        self._changed()

    async def _exchange(self) -> None:
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name=f"{self._name}-read")
                tasks.create_task(self._write(tasks), name=f"{self._name}-write")
        except* aiomqtt.MqttError as errors:
            error = errors.exceptions[0]
        if error is not None:  # raised out here: before Python 3.11.4 what an except* raises comes wrapped in a group
            raise aiomqtt.MqttError(str(error))

    async def _read(self) -> None:
        async for message in self._client.messages:
            payload = message.payload
            self._session.received(str(message.topic), payload if isinstance(payload, bytes) else b"")
            self._outgoing.set()
            self._changed()

    async def _write(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            await set_within(self._outgoing, self._session.next_due)
            self._outgoing.clear()
            while (message := self._session.take()) is not None:
                tasks.create_task(self._send(message), name=f"{self._name}-send")

    async def _send(self, message: Message) -> None:
        await self._client.publish(message.topic, message.payload, qos=1, timeout=math.inf)
        self._session.acknowledged(message)
        self._outgoing.set()
        self._changed()


@asynccontextmanager
async def _connected(client: aiomqtt.Client) -> AsyncIterator[None]:
    # aiomqtt connects in a thread, which goes on when its task is cancelled and would leave a session behind that
    # nobody owns: wait for it, at most the connect's time-out, and end what it began.
    entering = asyncio.create_task(client.__aenter__(), name="device-connect")
    try:
        await asyncio.shield(entering)
        yield
    except asyncio.CancelledError:
        await asyncio.wait({entering})
        raise
    finally:
        await _leave(client, entering)


async def _leave(client: aiomqtt.Client, entering: "asyncio.Task[aiomqtt.Client]") -> None:
    """Say goodbye; a broker that does not even read that, or never answered, is left behind."""
    try:
        if not entering.cancelled() and entering.exception() is None:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
    finally:
        if client._client.socket() is not None:
            client._client._sock_close()  # also ends aiomqtt's task; it has no public way
