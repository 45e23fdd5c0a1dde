"""Shadows as a user sees them: reached through a device that he may see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from cloud_api.auth import Principal
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import Addressee, DeviceRow
from cloud_api.domain.shadow.etag import require_condition
from cloud_api.domain.shadow.schemas import (
    NONE_YET,
    Convergence,
    RevisionPage,
    RevisionView,
    ShadowDocument,
    ShadowEntry,
    ShadowList,
)
from iotsphere import topics
from iotsphere.errors import Conflict, InvalidInput, NotFound
from shadow.archive import BEGINNING, Archive
from shadow.expectation import Expectation
from shadow.service import ShadowService, Target
from shadow.view import ShadowView

CLASSIC = ""
Whose = Addressee | DeviceRow
SEEN = tuple[Whose, ShadowDocument]


@dataclass(frozen=True, slots=True)
class Past:
    """Which earlier state is asked for; the present one when both are None."""

    at: datetime | None = None
    revision: int | None = None


class Shadows:
    """Reads shadows and changes their desired section."""

    def __init__(self, devices: Devices, shadow: ShadowService, archive: Archive) -> None:
        self._devices, self._shadow, self._archive = devices, shadow, archive

    async def get(self, principal: Principal, device: str, name: str = CLASSIC, past: Past = Past()) -> SEEN:
        """The device and its shadow; an empty one before the first change of the classic one.

        Raises:
            NotFound: there is no such device, or none that the user may see, or no such shadow.
            InvalidInput: a moment and a revision at once, or a name that cannot be.
        """
        if past != Past():
            return await self._earlier(principal, device, name, past)
        row = await self._devices.addressee(principal, device)
        _check_name(name)
        return row, await self.of(row, name)

    async def _earlier(self, principal: Principal, device: str, name: str, past: Past) -> SEEN:
        row = await self._devices.visible(principal, device)
        _check_name(name)
        since = row.owned_from or BEGINNING
        if past.at is None and past.revision is not None:
            return row, document(await self._archive.revision((row.id, name), past.revision, since))
        if past.at is not None and past.revision is None:
            return row, document(await self._archive.at((row.id, name), _moment(past.at), since))
        raise InvalidInput("revision", "goes without at: ask for one of the two")

    async def of(self, row: Whose, name: str = CLASSIC) -> ShadowDocument:
        """The shadow of a device that the user has been found to see.

        Raises:
            NotFound: there is no shadow of that name; a device always has a classic one.
        """
        found = await self._shadow.get(row.id, name)
        if name and (found is None or not found.exists):
            raise NotFound(f"{row.id} has no shadow {name}")
        return NONE_YET if found is None else document(found)

    async def list(self, principal: Principal, device: str) -> tuple[Addressee, ShadowList]:
        """The shadows that the device has.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        row = await self._devices.addressee(principal, device)
        return row, ShadowList([ShadowEntry(s.name, s.version, s.timestamp) for s in await self._shadow.names(row.id)])

    async def revisions(
        self, principal: Principal, device: str, name: str, before: int | None, limit: int
    ) -> tuple[DeviceRow, RevisionPage]:
        """Changes, newest first, those of the present owner's time.

        Raises:
            NotFound: there is no such device, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        _check_name(name)
        found = await self._archive.page((row.id, name), limit + 1, before=before, since=row.owned_from or BEGINNING)
        items = [
            RevisionView(r.version, datetime.fromtimestamp(r.at, UTC), r.actor, msgspec.json.decode(r.update))
            for r in found[:limit]
        ]
        return row, RevisionPage(items, items[-1].version if len(found) > limit else None)

    async def desire(
        self,
        principal: Principal,
        device: str,
        desired: Mapping[str, Any],
        expected: Expectation,
        *,
        name: str = CLASSIC,
        replace: bool = False,
    ) -> SEEN:
        """Merge into the desired section, or replace it.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            Conflict: it is retired, or the version in the body is not the document's.
            InvalidInput: a property is unknown, read-only, or its value is wrong; the field begins with ``desired.``.
            PreconditionFailed: the document is not as expected.
            PreconditionRequired: to replace it something must be expected.
        """
        row = await self._changeable(principal, device, name)
        if replace:
            require_condition(expected)
        view = await self._shadow.update_desired(
            _target(row, name), desired, actor=principal.id, expected=expected, replace=replace
        )
        return row, document(view)

    async def delete(self, principal: Principal, device: str, name: str, expected: Expectation) -> None:
        """Remove the shadow; its version counts on.

        Raises:
            NotFound: there is no such device, or none that the user may see, or no such shadow.
            Conflict: it is retired.
            PreconditionFailed: the document is not as expected.
        """
        row = await self._changeable(principal, device, name)
        await self._shadow.delete(_target(row, name), actor=principal.id, expected=expected)

    async def _changeable(self, principal: Principal, device: str, name: str) -> Addressee:
        row = await self._devices.addressee(principal, device)
        _check_name(name)
        if row.status == "retired":
            raise Conflict(f"{device} is retired")
        return row


def _check_name(name: str) -> None:
    if name and not topics.is_shadow_name(name):
        raise InvalidInput("name", "must be 1 to 64 of A-Z a-z 0-9 : _ -")


def document(view: ShadowView) -> ShadowDocument:
    """The document on the wire."""
    convergence = {
        key: Convergence(
            state=progress.state,
            since=None if progress.since is None else datetime.fromtimestamp(progress.since, UTC),
            code=progress.code,
            reason=progress.reason,
        )
        for key, progress in view.progress.items()
    }
    return ShadowDocument(
        state=view.state,
        metadata=view.metadata,
        version=view.version,
        desired_version=view.desired_version,
        reported_version=view.reported_version,
        timestamp=view.timestamp,
        convergence=convergence,
    )


def desired_of(body: object) -> tuple[Mapping[str, Any], int | None]:
    """The desired section that a body holds, and the version that it names.

    Raises:
        InvalidInput: the body holds something else; a device alone changes what it reports.
    """
    if not isinstance(body, dict):
        raise InvalidInput("body", 'must be an object, such as {"desired": {}}')
    for section in body:
        if section not in ("desired", "version"):
            raise InvalidInput(str(section), "cannot be changed here: only desired can")
    desired, version = body.get("desired"), body.get("version")
    if not isinstance(desired, dict):
        raise InvalidInput("desired", "must be an object; a member that is null is removed")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise InvalidInput("version", "must be an integer")
    return desired, version


def _target(row: Addressee, name: str) -> Target:
    return Target(row.id, row.device_type, row.organization, row.simulated, name)


def _moment(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
