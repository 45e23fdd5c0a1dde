"""A device session and the other end of its connection, without a socket."""

import json
from typing import Any

from device_sdk.outbox import Limits
from device_sdk.readings import Reading
from device_sdk.receipt import Receipt
from device_sdk.session import DeviceSession, Message
from iotsphere import topics

NOW = 1_760_000_000.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def session(limit: int = 100, policy: Any = "drop_oldest", **options: Any) -> DeviceSession:
    options = {"clock": Clock(), "monotonic": Clock(50.0), "boot": "b00t", **options}
    return DeviceSession("d", limits=Limits(messages=limit, policy=policy), **options)


def online(**options: Any) -> DeviceSession:
    made = session(**options)
    establish(made)
    return made


def publish(made: DeviceSession, n: float, ts: float | None = None) -> Receipt:
    receipt = Receipt()
    made.publish([Reading({"x": n}, ts)], receipt)
    return receipt


def establish(made: DeviceSession, version: int = 1, **state: Any) -> None:
    made.established()
    get = made.take()
    assert get is not None
    assert get.topic == topics.shadow("d", "get")
    made.acknowledged(get)
    made.received(topics.shadow_reply("d", "get", "accepted"), json.dumps({"version": version, "state": state}).encode())


def sent(made: DeviceSession) -> list[tuple[str, Any]]:
    """Everything that goes out now, acknowledged."""
    found = []
    while (message := made.take()) is not None:
        found.append((message.topic.removeprefix("iot/v1/d/"), _decoded(made, message)))
        made.acknowledged(message)
    return found


def _decoded(made: DeviceSession, message: Message) -> Any:
    payload = message.payload
    return json.loads(payload) if payload[:1] in b"{[" else payload.decode()


def command(made: DeviceSession, id: str, expires_in: float = 10.0, name: str = "blink") -> None:
    request = {
        "id": id,
        "name": name,
        "params": {"n": 1},
        "issued_at": int(NOW * 1000),
        "expires_at": int((NOW + expires_in) * 1000),
    }
    made.received(topics.command_request("d", id), json.dumps(request).encode())


def told(made: DeviceSession) -> list[Any]:
    """Sequence numbers that go out now, and the ranges that are declared lost."""
    return [body.get("dropped") or body["seq"] for _, body in sent(made)]


def report(made: DeviceSession, **properties: Any) -> Receipt:
    receipt = Receipt()
    made.report(properties, receipt)
    return receipt
