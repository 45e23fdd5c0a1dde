"""The registry of devices as a user sees it."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from cloud_api.auth import Principal
from cloud_api.domain.devices import certificate_table, freshness, table
from cloud_api.domain.devices.freshness import Latest
from cloud_api.domain.devices.intervals import Intervals, Reporter
from cloud_api.domain.devices.schemas import (
    Device,
    DevicePage,
    LatestView,
    NewDevice,
    PresenceView,
    StatusText,
)
from cloud_api.domain.devices.table import Addressee, DeviceRow, Filter, Status
from cloud_api.domain.organizations import table as organizations
from cloud_api.tenancy import Connection, Tenancy
from ingest.history import History
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import Conflict, InvalidInput, NotFound
from iotsphere.identity import DEVICE_ID_RULE
from iotsphere.signals import EDGE_REGISTRY, Signals
from iotsphere.topics import is_device_id

Row = TypeVar("Row")
AFTER = "~"  # before the id in a cursor: no id has it, so that nothing else is taken for one


class Devices:
    """Reads and changes of the registry, each in a transaction of the caller's organization."""

    def __init__(
        self,
        tenancy: Tenancy,
        history: History,
        types: Mapping[str, DeviceType],
        signals: Signals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenancy, self._history, self._types, self._signals, self._clock = tenancy, history, types, signals, clock
        self._intervals = Intervals(history, types)

    async def visible(self, principal: Principal, device: str) -> DeviceRow:
        """The row of a device, retired ones too.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            return found(await table.find(connection, device), device)

    async def addressee(self, principal: Principal, device: str) -> Addressee:
        """The little of a device that a command, a wish or a history needs, quickly; retired ones too.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        return found(await table.addressee(self._tenancy, principal.scope, device), device)

    async def get(self, principal: Principal, device: str) -> Device:
        """A device with its newest readings.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        return await self.shown(await self.visible(principal, device))

    async def shown(self, row: DeviceRow) -> Device:
        """A device that the user has been found to see, with its newest readings."""
        return (await self._views([row]))[0]

    async def page(self, principal: Principal, wanted: Filter, cursor: str, limit: int) -> DevicePage:
        """One page of devices, without the retired ones.

        Raises:
            InvalidInput: there is no such type, or the cursor is none of ours.
        """
        after = _after(cursor)
        known_type(self._types, wanted.device_type, "type")
        async with self._tenancy.transaction(principal.scope) as connection:
            rows = await table.page(connection, wanted, after, limit + 1)
        shown = rows[:limit]
        return DevicePage(items=await self._views(shown), next_cursor=f"{AFTER}{shown[-1].id}" if len(rows) > limit else None)

    async def add(self, principal: Principal, new: NewDevice) -> Device:
        """Register a device.

        Raises:
            InvalidInput: the id is none, no such type, or no such organization that the user may see; names all that is wrong.
            Conflict: the id is taken, or was once.
        """
        organization = new.organization or principal.organization
        async with self._tenancy.transaction(principal.scope) as connection:
            await self._check(connection, new, organization)
            declared = self._types[new.device_type]
            added = await table.insert(
                connection, new.id, _placeholder_key(), declared.key, new.manufacturer or declared.manufacturer,
                organization, "simulated" if new.simulated else "device",
            )  # fmt: skip
            if not added:
                raise Conflict(f"the id {new.id} is taken")
            await table.insert_asset(connection, new.id, declared.model, organization)
        return await self.get(principal, new.id)

    async def _check(self, connection: Connection, new: NewDevice, organization: str) -> None:
        """What only the registry knows, all of it at once."""
        wrong: list[tuple[str, str]] = [] if is_device_id(new.id) else [("id", DEVICE_ID_RULE)]
        try:
            known_type(self._types, new.device_type, "device_type")
        except InvalidInput as error:
            wrong += error.errors
        try:
            await organizations.require(connection, organization)
        except InvalidInput as error:
            wrong += error.errors
        if wrong:
            raise InvalidInput(*wrong[0], *wrong[1:])

    async def retire(self, principal: Principal, device: str) -> None:
        """Take a device out of service for good; its id stays reserved, its data readable.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        async with self._tenancy.transaction(principal.scope) as connection:
            found(await table.find(connection, device), device)
            if await table.set_status(connection, device, "retired"):
                await certificate_table.revoke_all(connection, device, "retired")
        await self._signals.send(EDGE_REGISTRY, device)

    async def disable(self, principal: Principal, device: str) -> Device:
        """Refuse the device's connections until it is enabled again.

        Raises:
            NotFound: there is none, or none that the user may see.
            Conflict: it is retired.
        """
        return await self._move(principal, device, lambda _: "disabled")

    async def enable(self, principal: Principal, device: str) -> Device:
        """Undo disable().

        Raises:
            NotFound: there is none, or none that the user may see.
            Conflict: it is retired.
        """
        return await self._move(principal, device, lambda row: "active" if row.last_connected else "registered")

    async def _move(self, principal: Principal, device: str, status_of: Callable[[DeviceRow], Status]) -> Device:
        async with self._tenancy.transaction(principal.scope) as connection:
            row = found(await table.find(connection, device), device)
            if not await table.set_status(connection, device, status_of(row)):
                raise Conflict(f"{device} is retired")
        await self._signals.send(EDGE_REGISTRY, device)
        return await self.get(principal, device)

    async def latest(self, rows: Sequence[DeviceRow | Addressee]) -> dict[str, Latest]:
        """Newest readings by device, clipped to the present owner's time."""
        if not rows:
            return {}
        read = await self._history.latest_many([r.id for r in rows])
        return {r.id: _clipped(read.get(r.id, {}), r.owned_from) for r in rows}

    async def _views(self, rows: Sequence[DeviceRow]) -> list[Device]:
        latest = await self.latest(rows)
        after = await self._stale_after_s([(row.id, row.device_type, row.owned_from) for row in rows])
        return [self._view(row, latest[row.id], after[row.id]) for row in rows]

    def _view(self, row: DeviceRow, latest: Latest, after_s: float | None) -> Device:
        newest, own = freshness.last_data_at(latest), own_source(simulated=row.simulated)
        return Device(
            id=row.id,
            device_type=row.device_type,
            manufacturer=row.manufacturer,
            organization=row.organization,
            kind=row.kind,
            simulated=row.simulated,
            status=row.status,
            created_at=row.created_at,
            last_connected=row.last_connected,
            presence=presence(row),
            status_text=status_text(row),
            last_data_at=newest,
            stale=freshness.is_stale(newest, after_s, self._clock() * 1000, connected=row.connected is True),
            stale_after_s=after_s,
            has_delta=row.stuck_since is not None,
            stuck_since=row.stuck_since,
            latest={name: LatestView(v.value, v.ts, v.source or own, v.quality) for name, v in latest.items()},
        )

    async def stale(self, devices: Sequence[Reporter]) -> int:
        """How many of the devices, which are connected, count as stale."""
        read = await self._history.latest_many([device for device, _, _ in devices])
        after, now = await self._stale_after_s(devices), self._clock() * 1000
        newest = {device: freshness.last_data_at(_clipped(read.get(device, {}), since)) for device, _, since in devices}
        return sum(freshness.is_stale(newest[device], after[device], now) is True for device in newest)

    async def _stale_after_s(self, devices: Sequence[Reporter]) -> dict[str, float | None]:
        return {device: freshness.stale_after_s(interval) for device, interval in (await self._intervals.of(devices)).items()}


def _clipped(latest: Latest, owned_from: datetime | None) -> Latest:
    return freshness.since(latest, owned_from.timestamp() * 1000 if owned_from else None)


def _after(cursor: str) -> str:
    """The id after which a page begins, "" for the first."""
    device = cursor.removeprefix(AFTER)
    if cursor and (device == cursor or not is_device_id(device)):
        raise InvalidInput("cursor", "must be the next_cursor of a page before")
    return device


def own_source(*, simulated: bool) -> str:
    """The source of readings that say none: their device."""
    return "simulation" if simulated else "device"


def known_type(types: Mapping[str, DeviceType], key: str | None, field: str) -> None:
    """Check a type that a request names; None names none.

    Raises:
        InvalidInput: there is no such type.
    """
    if key is not None and key not in types:
        raise InvalidInput(field, f"no type {key!r}; known: {', '.join(sorted(types))}")


def presence(row: DeviceRow) -> PresenceView | None:
    """The newest session, None for a device that never connected."""
    if row.connected is None or row.since is None or row.reason is None or row.session is None:
        return None
    return PresenceView(connected=row.connected, since=row.since, reason=row.reason, session=row.session)


def status_text(row: DeviceRow) -> StatusText | None:
    """The device's own words, None when it said nothing in its present owner's time."""
    if row.said is None or row.said_at is None or (row.owned_from is not None and row.said_at < row.owned_from):
        return None
    return StatusText(row.said, row.said_at)


def found(row: Row | None, device: str) -> Row:
    """The row, or the one answer for unknown and foreign devices alike.

    Raises:
        NotFound: it is None.
    """
    if row is None:
        raise NotFound(f"there is no device {device}")
    return row


def _placeholder_key() -> str:
    """Stands for the public key until the first certificate is made; nothing can match it."""
    return hashlib.sha256(secrets.token_bytes(32)).hexdigest()
