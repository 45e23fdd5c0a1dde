"""All SQL of registry.organizations."""

from cloud_api.domain.organizations.schemas import Organization
from cloud_api.tenancy import Connection
from iotsphere.errors import InvalidInput


async def visible(connection: Connection) -> list[Organization]:
    """The organizations of the transaction's tenant."""
    rows = await connection.fetch("select id, name, created_at from registry.organizations order by id")
    return [Organization(**row) for row in rows]


async def insert(connection: Connection, organization: str, name: str) -> Organization | None:
    """Add one; None when the id is taken."""
    row = await connection.fetchrow(
        """insert into registry.organizations (id, name) values ($1, $2) on conflict (id) do nothing
           returning id, name, created_at""",
        organization, name,
    )  # fmt: skip
    return Organization(**row) if row is not None else None


async def require(connection: Connection, organization: str) -> None:
    """Check an organization that a request names.

    Raises:
        InvalidInput: the transaction sees none of that id.
    """
    if not await connection.fetchval("select exists (select from registry.organizations where id = $1)", organization):
        raise InvalidInput("organization", f"there is no organization {organization!r}")
