"""Builders of what a broker hands over, and of the rows that must be there before."""

from typing import Any

import asyncpg
import msgspec

from iotsphere import topics
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord
from tests.support.registry_rows import add_device


def record(device: str = "d1", *, organization: str = "default", device_type: str = "", kind: str = "device") -> DeviceRecord:
    return DeviceRecord(device, organization, device_type, kind, "active")


def delivery(topic: str, body: Any = b"", *, of: DeviceRecord | None = None, session: int = 1) -> Delivery:
    """A PUBLISH by the device that the topic names; a body that is not bytes is sent as JSON."""
    route = topics.parse(topic)
    assert route is not None
    payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Delivery(
        device=of or record(route.device),
        route=route,
        topic=topic,
        payload=payload,
        qos=1,
        maybe_repeated=False,
        received_at=0,
        session=session,
    )


async def add_devices(pool: "asyncpg.Pool[asyncpg.Record]", *devices: str) -> None:
    """Registered devices of no declared type."""
    for device in devices:
        await add_device(pool, device, device_type="")
