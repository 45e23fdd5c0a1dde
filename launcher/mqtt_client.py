"""The debugging client of `iotsphere mqtt`: paho in the calling thread, ended by a count, a time or Ctrl-C."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from device_sdk.credentials import Credentials
from iotsphere.errors import CallerError, TemporaryError
from launcher.mqtt_lines import Heard

ANSWER_S = 10.0
TURN_S = 0.1
KEEP_ALIVE_S = 30


class NotConnected(TemporaryError):
    """No broker there, or it has ended the connection."""


class BrokerRefused(CallerError):
    """The broker does not want that client, or does not grant that filter."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to listen to. ``enough`` is asked after each turn."""

    filters: Sequence[str]
    qos: int
    on_message: Callable[[Heard], None]
    enough: Callable[[], bool]


class MqttClient:
    """One connection with the files of a service or a device."""

    def __init__(self, who: Credentials) -> None:
        self._who = who
        self._connected: ReasonCode | None = None
        self._granted: list[ReasonCode] | None = None
        self._published = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, who.id, protocol=paho.MQTTv311, reconnect_on_failure=False)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish

    def connect(self) -> None:
        """Connect and wait for CONNACK.

        Raises:
            NotConnected: nobody answers there.
            BrokerRefused: it says why not.
        """
        who, client = self._who, self._client
        try:
            client.tls_set_context(who.tls())
            client.connect(who.host, who.port, KEEP_ALIVE_S)
        except OSError as error:
            raise NotConnected(f"no broker at {who.host}:{who.port}: {error}") from error
        self._until(lambda: self._connected is not None, "CONNACK")
        if self._connected is not None and self._connected.is_failure:
            raise BrokerRefused(f"the broker refuses {who.id}: {self._connected}")

    def listen(self, wanted: Wanted) -> None:
        """Subscribe, and hear messages until it is enough.

        Raises:
            BrokerRefused: names the filters that were not granted.
            NotConnected: the connection ended.
        """
        self._client.on_message = lambda client, data, m: wanted.on_message(_heard(m))
        self._client.subscribe([(each, wanted.qos) for each in wanted.filters])
        self._until(lambda: self._granted is not None, "SUBACK")
        refused = [f for f, code in zip(wanted.filters, self._granted or [], strict=True) if code.is_failure]
        if refused:
            raise BrokerRefused(f"not granted: {', '.join(refused)}")
        while not wanted.enough():
            self._turn()

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Publish; with QoS 1 or 2 returns when it is acknowledged, with 0 when it is written.

        Raises:
            NotConnected: no acknowledgement came.
        """
        self._client.publish(topic, payload, qos, retain)
        self._until(lambda: self._published, "PUBACK" if qos == 1 else "PUBCOMP" if qos else "room in the socket")

    def close(self) -> None:
        """DISCONNECT."""
        self._client.disconnect()

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + ANSWER_S
        while not done():
            if time.monotonic() > deadline:
                raise NotConnected(f"no {what} within {ANSWER_S:g} s: the database may be away")
            self._turn()

    def _turn(self) -> None:
        code = self._client.loop(TURN_S)
        if code != paho.MQTT_ERR_SUCCESS and not (self._connected is not None and self._connected.is_failure):
            raise NotConnected(f"the broker has ended the connection ({paho.error_string(code)})")

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._connected = code

    def _on_subscribe(self, client: paho.Client, data: Any, mid: int, codes: list[ReasonCode], properties: Any) -> None:
        self._granted = codes

    def _on_publish(self, client: paho.Client, data: Any, mid: int, code: Any, properties: Any) -> None:
        self._published = True


def _heard(message: paho.MQTTMessage) -> Heard:
    return Heard(time.time(), message.topic, bytes(message.payload), message.qos, bool(message.retain), bool(message.dup))
