"""All SQL of registry.users."""

from dataclasses import dataclass

from cloud_api.auth import Role
from cloud_api.domain.users.schemas import Account
from cloud_api.tenancy import Connection


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as stored."""

    id: str
    organization: str
    password_hash: str
    role: Role
    all_organizations: bool
    disabled: bool


async def find(connection: Connection, user: str) -> UserRow | None:
    """The user of that name."""
    row = await connection.fetchrow(
        "select id, organization_id, password_hash, role, all_organizations, disabled from registry.users where id = $1", user
    )
    return UserRow(*row.values()) if row is not None else None


async def insert(connection: Connection, user: UserRow) -> bool:
    """Add a user; False when the name is taken."""
    status = await connection.execute(
        """insert into registry.users (id, organization_id, password_hash, role, all_organizations, disabled)
           values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing""",
        user.id, user.organization, user.password_hash, user.role, user.all_organizations, user.disabled,
    )  # fmt: skip
    return status == "INSERT 0 1"


async def set_password_hash(connection: Connection, user: str, password_hash: str) -> bool:
    """Replace the password; False when there is no such user."""
    return (
        await connection.execute("update registry.users set password_hash = $2 where id = $1", user, password_hash) == "UPDATE 1"
    )


_ACCOUNT = "select id, role, organization_id as organization, all_organizations, disabled, created_at from registry.users"


async def accounts(connection: Connection) -> list[Account]:
    """The users of the transaction's tenant."""
    return [Account(**row) for row in await connection.fetch(f"{_ACCOUNT} order by id")]


async def account(connection: Connection, user: str) -> Account | None:
    """One user; None also when the tenant may not see him."""
    row = await connection.fetchrow(f"{_ACCOUNT} where id = $1", user)
    return Account(**row) if row is not None else None


async def update(connection: Connection, user: str, role: Role | None, disabled: bool | None) -> None:
    """Change what is not None."""
    await connection.execute(
        "update registry.users set role = coalesce($2, role), disabled = coalesce($3, disabled) where id = $1",
        user, role, disabled,
    )  # fmt: skip
