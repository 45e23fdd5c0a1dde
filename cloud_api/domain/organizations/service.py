"""Tenants."""

from cloud_api.auth import Principal
from cloud_api.domain.organizations import table
from cloud_api.domain.organizations.schemas import NewOrganization, Organization
from cloud_api.tenancy import Tenancy
from iotsphere.errors import Conflict


class Organizations:
    """Lists and adds organizations."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy

    async def visible(self, principal: Principal) -> list[Organization]:
        """Those that the user sees."""
        async with self._tenancy.transaction(principal.scope) as connection:
            return await table.visible(connection)

    async def add(self, principal: Principal, new: NewOrganization) -> Organization:
        """Add one.

        Raises:
            Conflict: the id is taken.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            added = await table.insert(connection, new.id, new.name)
        if added is None:
            raise Conflict(f"the id {new.id} is taken")
        return added
