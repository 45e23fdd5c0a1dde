"""Members of one device type's collection as a user sees them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cloud_api.auth import Principal
from cloud_api.domain.devices.schemas import Device
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import DeviceRow, Filter
from cloud_api.domain.shadow.schemas import ShadowDocument
from cloud_api.domain.shadow.service import Shadows
from iotsphere.answers import plain
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput, NotFound
from shadow.expectation import Expectation

Member = dict[str, Any]


class Collections:
    """Devices and their shadows, seen through the declaration of their type."""

    def __init__(self, devices: Devices, shadows: Shadows) -> None:
        self._devices, self._shadows = devices, shadows

    async def page(
        self, principal: Principal, declared: DeviceType, organization: str | None, after: str, limit: int
    ) -> dict[str, Any]:
        """One page of members, without the retired ones."""
        page = await self._devices.page(principal, Filter(declared.key, organization), after, limit)
        return {"items": [_item(declared, device) for device in page.items], "next_cursor": page.next_cursor}

    async def get(self, principal: Principal, declared: DeviceType, device: str) -> Member:
        """One member.

        Raises:
            NotFound: there is no device of that id and type, or none that the user may see.
        """
        row = await self.require(principal, declared, device)
        return _member(declared, await self._devices.shown(row), await self._shadows.of(row))

    async def desire(
        self, principal: Principal, declared: DeviceType, device: str, wanted: Mapping[str, Any], expected: Expectation
    ) -> Member:
        """Merge into what is desired of a member.

        Raises:
            NotFound: there is no device of that id and type, or none that the user may see.
            Conflict: it is retired.
            InvalidInput: a property is unknown, read-only, or its value is wrong.
            PreconditionFailed: the version is not the expected one.
        """
        found = await self._devices.shown(await self.require(principal, declared, device))
        try:
            _, document = await self._shadows.desire(principal, device, wanted, expected)
        except InvalidInput as error:  # the caller has written no section
            raise InvalidInput(error.field.removeprefix("desired."), error.reason) from error
        return _member(declared, found, document)

    async def require(self, principal: Principal, declared: DeviceType, device: str) -> DeviceRow:
        """The device, if it is a member.

        Raises:
            NotFound: there is no device of that id and type, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        if row.device_type != declared.key:
            raise NotFound(f"{device} is no {declared.title.lower()}")
        return row


def _item(declared: DeviceType, device: Device) -> Member:
    return {
        "id": device.id,
        "organization": device.organization,
        "simulated": device.simulated,
        "status": device.status,
        "connected": device.presence is not None and device.presence.connected,
        "stale": device.stale,
        "last_data_at": device.last_data_at,
        "measurements": _declared(msgspec.to_builtins(device.latest), [m.key for m in declared.measurements]),
    }


def _member(declared: DeviceType, device: Device, document: ShadowDocument) -> Member:
    reported, desired = document.state.get("reported") or {}, document.state.get("desired") or {}
    return {
        **_item(declared, device),
        "properties": _declared({key: plain(value) for key, value in reported.items()}, [p.key for p in declared.properties]),
        "desired": _declared(desired, [p.key for p in declared.properties if p.writable]),
        "version": document.version,
    }


def _declared(values: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}
