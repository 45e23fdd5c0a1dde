"""Which devices a read is about: those that are named, or all of a type or an organization that the user sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud_api.auth import Principal
from cloud_api.domain.devices import table
from cloud_api.domain.devices.service import known_type
from cloud_api.domain.devices.table import Ownership
from cloud_api.tenancy import Tenancy
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput, NotFound

MAX_DEVICES = 1000


@dataclass(frozen=True, slots=True)
class Scope:
    """Devices by name, or by type and organization; None means any."""

    devices: Sequence[str] | None = None
    device_type: str | None = None
    organization: str | None = None


class Scopes:
    """Finds the devices of a scope, retired ones too, each with the time since which it is its present owner's."""

    def __init__(self, tenancy: Tenancy, types: Mapping[str, DeviceType]) -> None:
        self._tenancy, self._types = tenancy, types

    def type_of(self, key: str) -> DeviceType | None:
        """A declared type."""
        return self._types.get(key)

    async def devices(self, principal: Principal, wanted: Scope, most: int | None = MAX_DEVICES) -> list[Ownership]:
        """In the order of their ids.

        Raises:
            InvalidInput: there is no such type, or there are more than ``most``; None sets no bound.
            NotFound: one that is named does not exist, or the user may not see it.
        """
        known_type(self._types, wanted.device_type, "type")
        async with self._tenancy.transaction(principal.scope) as connection:
            found = await table.ownerships(connection, wanted.device_type, wanted.organization, wanted.devices)
        if missing := set(wanted.devices or ()) - {one.device for one in found}:
            raise NotFound(f"there is no device {min(missing)}")
        if most is not None and len(found) > most:
            raise InvalidInput("devices", f"these are {len(found)}: at most {most} are read at once")
        return found
