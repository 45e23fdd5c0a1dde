"""One connection of the paho client: from the TCP connect to its end, never reused.

A client of its own for each connection keeps paho from sending again what our outbox will send again.
"""

import socket
import ssl
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from device_sdk.bells import Bells
from device_sdk.credentials import Credentials
from device_sdk.options import Options
from device_sdk.session import DeviceSession, Message
from iotsphere.errors import Refused

GOODBYE_S = 2.0
SUBACK_REFUSED = 0x80


class Link:
    """Moves messages between a session and a broker.

    paho's callbacks run in its network thread under its locks, so they only note what happened and wake run(): whoever
    held our lock while calling paho would wait for a callback that waits for our lock.

    Args:
        bells: their lock guards the session.
    """

    def __init__(
        self, credentials: Credentials, tls: ssl.SSLContext, options: Options, session: DeviceSession, bells: Bells
    ) -> None:
        self._credentials = credentials
        self._session = session
        self._bells = bells
        self._options = options
        self._deadline = 0.0
        self._in_flight: dict[int, Message] = {}
        self._acknowledged: list[int] = []  # at most the window
        self._answered = False
        self._ended = False
        self._error = ""
        self._refusal: Refused | None = None
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, credentials.id, clean_session=True, reconnect_on_failure=False)
        self._client.tls_set_context(tls)
        self._client.connect_timeout = options.connect_s
        self._client.max_inflight_messages_set(0)  # the session keeps the window
        self._client.on_socket_open = _no_delay
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect

    def run(self, closing: threading.Event) -> tuple[bool, str]:
        """Connect and serve until the connection ends or closing is set.

        Returns:
            Whether a session was established, and why it ended.

        Raises:
            Refused: the broker said no, or is not trusted.
        """
        try:
            self._client.connect(self._credentials.host, self._credentials.port, self._options.keep_alive)
        except ssl.SSLCertVerificationError as error:
            raise Refused("tls", f"the broker's certificate is not accepted: {error.verify_message}") from error
        except OSError as error:
            return False, f"{error}"
        self._deadline = time.monotonic() + self._options.connect_s
        self._client.loop_start()
        try:
            self._serve(closing)
        finally:
            self._say_goodbye()
        if self._refusal is not None:
            raise self._refusal
        return self._session.connected, self._error

    def _serve(self, closing: threading.Event) -> None:
        while True:
            with self._bells.lock:
                while not (self._ended or closing.is_set() or self._acknowledged or self._session.has_outgoing or self._late):
                    self._bells.outgoing.wait(self._patience())
                self._settle()
                if self._ended or closing.is_set():
                    return
                if self._late:
                    self._error = f"the broker does not answer within {self._options.connect_s:g} s"
                    return
                messages = list(iter(self._session.take, None))
            for message in messages:
                self._in_flight[self._client.publish(message.topic, message.payload, qos=1).mid] = message

    @property
    def _late(self) -> bool:
        return not self._session.connected and time.monotonic() >= self._deadline

    def _patience(self) -> float | None:
        """How long nothing may happen, seconds."""
        return self._session.next_due if self._session.connected else max(0.0, self._deadline - time.monotonic())

    def _settle(self) -> None:
        if not self._acknowledged:
            return
        for mid in self._acknowledged:
            self._session.acknowledged(self._in_flight.pop(mid))
        self._acknowledged.clear()
        self._bells.settled.notify_all()

    def _say_goodbye(self) -> None:
        self._client.disconnect()
        with self._bells.lock:
            gone = self._bells.outgoing.wait_for(lambda: self._ended, GOODBYE_S)
        if not gone and (stuck := self._client.socket()) is not None:
            stuck.close()  # the broker does not even read our DISCONNECT
        self._client.loop_stop()

    def _end(self, error: str) -> None:
        with self._bells.lock:
            self._ended = True
            self._error = self._error or error
            self._bells.outgoing.notify_all()

    # ── paho's callbacks ───────────────────────────────────────────────────────────────────────────────────────────

    def _on_connect(self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._answered = True
        if reason.is_failure:
            self._refusal = Refused("protocol", f"the broker refused the connection: {reason}")
            self._end(str(reason))
        else:
            client.subscribe([(topic, 1) for topic in self._session.subscriptions])

    def _on_subscribe(self, client: mqtt.Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        if any(reason.value >= SUBACK_REFUSED for reason in reasons):
            self._refusal = Refused("acl", "the broker refused the subscriptions")
            self._end("subscriptions refused")
            return
        with self._bells.lock:
            self._session.established()
            self._bells.all()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        with self._bells.lock:
            self._session.received(message.topic, bytes(message.payload))
            self._bells.all()

    def _on_publish(self, client: mqtt.Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        with self._bells.lock:
            self._acknowledged.append(mid)
            self._bells.outgoing.notify_all()

    def _on_disconnect(self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._answered:
            self._end(f"the connection ended: {reason}")
        else:
            self._end("the broker ended the connection without an answer: it may not accept this certificate")


def _no_delay(client: mqtt.Client, userdata: Any, sock: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements would add 40 ms to every answer.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
