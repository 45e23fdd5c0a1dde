"""Reads of ops.events."""

import json

from cloud_api.domain.devices.schemas import EventView
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.tenancy import Connection


async def of_device(connection: Connection, device: DeviceRow, limit: int) -> list[EventView]:
    """What a device told in its present owner's time, newest first."""
    rows = await connection.fetch(
        """select timestamp, name, severity, data from ops.events
           where device_id = $1 and ($2::timestamptz is null or timestamp >= $2) order by timestamp desc, name limit $3""",
        device.id, device.owned_from, limit,
    )  # fmt: skip
    return [EventView(row["timestamp"], row["name"], row["severity"], json.loads(row["data"] or "null")) for row in rows]
