"""Whose devices there are: read from the registry, which is in the main database. Raises what asyncpg raises."""

from iotsphere.infra.postgres import Connection, Pool


async def devices_of(connection: "Connection | Pool", organization: str) -> list[str]:
    """The devices that belong to an organization now, retired ones too."""
    rows = await connection.fetch("select id from registry.devices where organization_id = $1 order by id", organization)
    return [row["id"] for row in rows]


async def exists(connection: "Connection | Pool", organization: str) -> bool:
    """Whether there is such an organization."""
    return bool(await connection.fetchval("select exists (select from registry.organizations where id = $1)", organization))
