"""All SQL of telemetry.losses: what was acknowledged and is neither in the telemetry nor in the dead letters."""

from collections.abc import Sequence

from iotsphere.infra.postgres import Connection, Pool
from iotsphere.registry import DeviceRecord

_INSERT = "insert into telemetry.losses (device_id, organization_id) values ($1, $2)"
_COUNT = "select count(*) from telemetry.losses where $1::text[] is null or organization_id = any($1)"


async def insert(connection: Connection, devices: Sequence[DeviceRecord]) -> None:
    """Count one loss of each device, within the caller's transaction."""
    if devices:
        await connection.executemany(_INSERT, [(device.id, device.organization) for device in devices])


async def count(pool: Pool, organizations: Sequence[str] | None) -> int:
    """Losses of some organizations, None for all."""
    return int(await pool.fetchval(_COUNT, organizations))
