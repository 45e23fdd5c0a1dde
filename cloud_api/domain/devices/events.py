"""What devices tell on their own account: events."""

from cloud_api.auth import Principal
from cloud_api.domain.devices import event_table, table
from cloud_api.domain.devices.schemas import EventList
from cloud_api.domain.devices.service import found
from cloud_api.tenancy import Tenancy


class Events:
    """Reads the events that ingest keeps."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy

    async def of_device(self, principal: Principal, device: str, limit: int) -> EventList:
        """The newest events of a device in its present owner's time.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            row = found(await table.find(connection, device), device)
            items = await event_table.of_device(connection, row, limit)
        return EventList(device=row.id, simulated=row.simulated, items=items)
