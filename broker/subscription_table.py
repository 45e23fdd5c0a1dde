"""All SQL of registry.subscriptions: the filters of devices that connect without a clean session."""

from collections.abc import AsyncIterator, Iterable

from iotsphere.infra.postgres import Connection, columns

PAGE = 2_000
Row = tuple[str, str, int]  # device, topic filter, granted QoS


async def every(connection: Connection) -> AsyncIterator[Row]:
    """All of them, read in pages, so that the event loop breathes."""
    async with connection.transaction():
        async for row in connection.cursor("select device_id, filter, qos from registry.subscriptions", prefetch=PAGE):
            yield row[0], row[1], row[2]


async def put(connection: Connection, rows: Iterable[Row]) -> None:
    """Insert or replace; a device that is not registered any more is left out."""
    devices, filters, qualities = columns(rows, 3)
    await connection.execute(
        "insert into registry.subscriptions (device_id, filter, qos)"
        " select device_id, filter, qos from unnest($1::text[], $2::text[], $3::smallint[]) as new (device_id, filter, qos)"
        " join registry.devices on devices.id = new.device_id"
        " on conflict (device_id, filter) do update set qos = excluded.qos",
        devices, filters, qualities,
    )  # fmt: skip


async def remove(connection: Connection, rows: Iterable[tuple[str, str]]) -> None:
    """Delete (device, filter) pairs."""
    devices, filters = columns(rows, 2)
    await connection.execute(
        "delete from registry.subscriptions using unnest($1::text[], $2::text[]) as old (device_id, filter)"
        " where subscriptions.device_id = old.device_id and subscriptions.filter = old.filter",
        devices, filters,
    )  # fmt: skip
