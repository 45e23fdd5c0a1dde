"""Shadows as a user sees them: reached through a device that he may see."""

from collections.abc import Mapping
from typing import Any

from cloud_api.auth import Principal
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import DeviceRow
from cloud_api.domain.shadow.etag import ANY
from cloud_api.domain.shadow.schemas import NONE_YET, ShadowDocument
from iotsphere.errors import Conflict, InvalidInput, PreconditionFailed
from shadow.service import ShadowService, ShadowView


class Shadows:
    """Reads shadows and changes their desired section."""

    def __init__(self, devices: Devices, shadow: ShadowService) -> None:
        self._devices, self._shadow = devices, shadow

    async def get(self, principal: Principal, device: str) -> tuple[DeviceRow, ShadowDocument]:
        """The device and its shadow; an empty one before the first change.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        return row, await self.of(row)

    async def of(self, row: DeviceRow) -> ShadowDocument:
        """The shadow of a device that the user has been found to see."""
        view = await self._shadow.get(row.id)
        return document(view) if view is not None else NONE_YET

    async def desire(
        self, principal: Principal, device: str, desired: Mapping[str, Any], expected: int | str | None
    ) -> tuple[DeviceRow, ShadowDocument]:
        """Merge into the desired section.

        Args:
            expected: as etag.expected_version() gives it.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            Conflict: it is retired.
            InvalidInput: a property is unknown, read-only, or its value is wrong; the field begins with ``desired.``.
            PreconditionFailed: the version is not the expected one.
        """
        row = await self._devices.visible(principal, device)
        if row.status == "retired":
            raise Conflict(f"{device} is retired")
        view = await self._shadow.update_desired(
            row.id, row.device_type, row.organization, row.simulated, desired,
            actor=principal.id, version=await self._version(row, expected),
        )  # fmt: skip
        return row, document(view)

    async def _version(self, row: DeviceRow, expected: int | str | None) -> int | None:
        if expected != ANY:
            return None if expected is None else int(expected)
        current = await self.of(row)
        if current.version == 0:
            raise PreconditionFailed(f"{row.id} has no shadow yet")
        return current.version


def document(view: ShadowView) -> ShadowDocument:
    """The document on the wire."""
    return ShadowDocument(state=view.state, metadata=view.metadata, version=view.version, timestamp=view.timestamp)


def desired_of(body: object) -> Mapping[str, Any]:
    """The desired section of a merge patch of the whole document.

    Raises:
        InvalidInput: the body holds something else; a device alone changes what it reports.
    """
    if not isinstance(body, dict):
        raise InvalidInput("body", 'must be an object, such as {"desired": {}}')
    for section in body:
        if section != "desired":
            raise InvalidInput(str(section), "cannot be changed here: only desired can")
    desired = body.get("desired")
    if not isinstance(desired, dict):
        raise InvalidInput("desired", "must be an object; a member that is null is removed")
    return desired
