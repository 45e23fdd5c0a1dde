"""Reads of ops.refusals."""

from cloud_api.domain.devices.schemas import RefusalView
from cloud_api.tenancy import Connection

_SELECT = "select 'r' || id as id, at, device_id as device, category, reason, topic, peer, count from ops.refusals"


async def of_device(connection: Connection, device: str, limit: int) -> list[RefusalView]:
    """What was refused of a device, newest first."""
    rows = await connection.fetch(f"{_SELECT} where device_id = $1 order by refusals.id desc limit $2", device, limit)
    return [RefusalView(**row) for row in rows]


async def of_unknown(connection: Connection, limit: int) -> list[RefusalView]:
    """What was refused of peers that are not registered, newest first."""
    rows = await connection.fetch(f"{_SELECT} where not known order by refusals.id desc limit $1", limit)
    return [RefusalView(**row) for row in rows]
