"""What was refused of devices: at the broker's door, and readings and events that could not be stored."""

from cloud_api.auth import Principal
from cloud_api.domain.devices import refusal_table
from cloud_api.domain.devices.schemas import RefusalView
from cloud_api.domain.devices.service import Devices
from cloud_api.tenancy import Pool, Tenancy
from ingest import dead_letters_table
from ingest.dead_letters_table import LetterRow, Selection


class Refusals:
    """Both lists as one, newest first."""

    def __init__(self, tenancy: Tenancy, devices: Devices, telemetry_pool: Pool) -> None:
        self._tenancy, self._devices, self._telemetry_pool = tenancy, devices, telemetry_pool

    async def of_device(self, principal: Principal, device: str, limit: int) -> list[RefusalView]:
        """What was refused of a device in its present owner's time.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        async with self._tenancy.transaction(principal.scope) as connection:
            at_the_door = await refusal_table.of_device(connection, device, limit)
        letters = await dead_letters_table.page(self._telemetry_pool, Selection(device=device), None, limit)
        found = at_the_door + [_of_letter(device, letter) for letter in letters]
        owned = [r for r in found if row.owned_from is None or r.at >= row.owned_from]
        return sorted(owned, key=lambda r: r.at, reverse=True)[:limit]

    async def of_unknown(self, principal: Principal, limit: int) -> list[RefusalView]:
        """What was refused of peers that are not registered."""
        async with self._tenancy.transaction(principal.scope) as connection:
            return await refusal_table.of_unknown(connection, limit)


def _of_letter(device: str, letter: LetterRow) -> RefusalView:
    about = f"{letter.measurement}: " if letter.measurement else ""
    return RefusalView(
        id=f"d{letter.id}", at=letter.at, device=device, category=letter.category, reason=f"{about}{letter.reason}",
        topic=letter.topic, peer=None, count=1,
    )  # fmt: skip
