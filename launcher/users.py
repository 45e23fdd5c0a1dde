"""Users and tokens for the command line."""

from typing import cast, get_args

from cloud_api.auth import Principal, Role, Tokens
from cloud_api.domain.users import service, table
from cloud_api.tenancy import Connection
from iotsphere.errors import InvalidInput, NotFound
from launcher.home import ADMIN, Home, write_private
from launcher.run import jwt_secret


async def add(connection: Connection, user: str, password: str, role: str, organization: str, *, all_organizations: bool) -> None:
    """Add a user.

    Raises:
        InvalidInput: no such role or organization, or a password that is too short.
        Conflict: the name is taken.
    """
    if role not in get_args(Role):
        raise InvalidInput("role", f"must be one of {', '.join(get_args(Role))}")
    await service.add_user(connection, user, password, cast(Role, role), organization, all_organizations=all_organizations)


async def set_password(connection: Connection, home: Home, user: str, password: str) -> None:
    """Set a password; the first user's file, on which scripts rely, follows it.

    Raises:
        InvalidInput: it is too short.
        NotFound: there is no such user.
    """
    await service.set_password(connection, user, password)
    if user == ADMIN:
        write_private(home.admin_password_file, password + "\n")


async def token(connection: Connection, home: Home, user: str, ttl_s: float) -> str:
    """A bearer token.

    Raises:
        NotFound: there is no such user, or it is disabled.
    """
    row = await table.find(connection, user)
    if row is None or row.disabled:
        raise NotFound(f"there is no user {user} who may sign in")
    return Tokens(jwt_secret(home)).issue(Principal(row.id, row.role, row.organization, row.all_organizations), ttl_s)
