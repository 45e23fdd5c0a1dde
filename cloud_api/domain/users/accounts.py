"""Users as their admins manage them."""

from cloud_api.auth import Principal
from cloud_api.domain.users import refresh_table, table
from cloud_api.domain.users.schemas import Account, AccountChange, NewAccount
from cloud_api.domain.users.service import add_user, set_password
from cloud_api.tenancy import Connection, Tenancy
from iotsphere.errors import Forbidden, NotFound


class Accounts:
    """Lists, adds and changes users of the organizations that an admin sees."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy

    async def visible(self, principal: Principal) -> list[Account]:
        """Those that the admin sees."""
        async with self._tenancy.transaction(principal.scope) as connection:
            return await table.accounts(connection)

    async def add(self, principal: Principal, new: NewAccount) -> Account:
        """Add a user.

        Raises:
            Forbidden: only an admin of all organizations may add another one.
            Conflict: the name is taken.
            InvalidInput: there is no such organization that the admin may see.
        """
        if new.all_organizations and not principal.all_organizations:
            raise Forbidden("only a user of all organizations may add another one")
        organization = new.organization or principal.organization
        async with self._tenancy.transaction(principal.scope) as connection:
            await add_user(connection, new.id, new.password, new.role, organization, all_organizations=new.all_organizations)
            return await self._account(connection, principal, new.id)

    async def change(self, principal: Principal, user: str, change: AccountChange) -> Account:
        """Change a user. His access tokens keep their old role until they run out, within 15 minutes.

        Raises:
            NotFound: there is no such user, or none that the admin may see.
            Forbidden: the user is one of all organizations and the admin is not, or the admin would lock himself out.
        """
        if user == principal.id and (change.disabled or change.role not in (None, principal.role)):
            raise Forbidden("you cannot take your own rights away")
        async with self._tenancy.transaction(principal.scope) as connection:
            await self._account(connection, principal, user)
            await table.update(connection, user, change.role, change.disabled)
        async with self._tenancy.unrestricted() as connection:
            if change.password is not None:
                await set_password(connection, user, change.password)
            elif change.disabled:
                await refresh_table.end_user(connection, user)
            return await self._account(connection, principal, user)

    async def _account(self, connection: Connection, principal: Principal, user: str) -> Account:
        found = await table.account(connection, user)
        if found is None:
            raise NotFound(f"there is no user {user}")
        if found.all_organizations and not principal.all_organizations:
            raise Forbidden("this user is one of all organizations")
        return found
