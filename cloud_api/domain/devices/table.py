"""SQL of registry.devices and what hangs on a device there. All of it runs in a tenant's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cloud_api.tenancy import Connection, Tenancy

Kind = Literal["device", "simulated"]
Status = Literal["registered", "active", "disabled", "retired"]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device with its presence, None for one that never connected, and what it said of itself, None if it said nothing.

    Attributes:
        stuck_since: since when something desired of it has not been in effect, in any of its shadows; None when all is.
    """

    id: str
    device_type: str
    manufacturer: str
    organization: str
    kind: Kind
    status: Status
    created_at: datetime
    last_connected: datetime | None
    owned_from: datetime | None  # None: from the beginning
    connected: bool | None
    since: datetime | None
    reason: str | None
    session: int | None
    said: str | None = None
    said_at: datetime | None = None
    stuck_since: datetime | None = None

    @property
    def simulated(self) -> bool:
        """Whether all it says is simulation."""
        return self.kind == "simulated"


@dataclass(frozen=True, slots=True)
class Addressee:
    """What somebody must know of a device who wants something of it, or its readings.

    Attributes:
        owned_from: since when it is its present owner's; None: from the beginning.
    """

    id: str
    device_type: str
    organization: str
    kind: Kind
    status: Status
    owned_from: datetime | None

    @property
    def simulated(self) -> bool:
        """Whether it is a simulated one."""
        return self.kind == "simulated"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shall hold; None means any.

    Attributes:
        q: a part of the id, in any case.
        has_delta: something desired is, or nothing is, not in effect.
        stuck_for_s: that has been so for as many seconds at least.
    """

    device_type: str | None = None
    organization: str | None = None
    q: str | None = None
    connected: bool | None = None
    has_delta: bool | None = None
    stuck_for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ownership:
    """Since when a device is its present owner's; None: from the beginning."""

    device: str
    device_type: str
    simulated: bool
    owned_from: datetime | None


# The CASE keeps '-infinity', which has no Python counterpart with a time zone, out of the driver.
_OWNED_FROM = """
(select case when isfinite(o."from") then o."from" end from registry.device_owner o
 where o.device_id = d.id and o.organization_id = d.organization_id order by o."from" desc limit 1)
"""
_STUCK_SINCE = "(select min(w.pending_since) from shadow.documents w where w.device_id = d.id and w.pending_since is not null)"
_SELECT = f"""
select d.id, d.device_type, d.manufacturer, d.organization_id, d.kind, d.status, d.created_at, d.last_connected,
       {_OWNED_FROM}, p.connected, p.since, p.reason, p.session, s.text, s.at,
       {_STUCK_SINCE}
from registry.devices d left join registry.presence p on p.device_id = d.id
left join ops.device_status s on s.device_id = d.id
"""  # noqa: S608 - made of constants
_OWNERSHIPS = f"select d.id, d.device_type, d.kind = 'simulated', {_OWNED_FROM} from registry.devices d"  # noqa: S608 - made of constants
# The function alone decides what is seen; whose the device is since when is then read as the owner of the tables.
_ADDRESSEE = f"select d.*, {_OWNED_FROM} from registry.device_seen($1, $2) d"  # noqa: S608 - made of constants
_FLEET = f"""
select d.id, d.device_type, d.kind = 'simulated', {_OWNED_FROM}, coalesce(p.connected, false)
from registry.devices d left join registry.presence p on p.device_id = d.id
where d.status <> 'retired' and ($1::text is null or d.organization_id = $1)
"""  # noqa: S608 - made of constants
_FILTER = f"""
d.status <> 'retired' and ($1::text is null or d.device_type = $1) and ($2::text is null or d.organization_id = $2)
and ($3::text is null or position(lower($3) in lower(d.id)) > 0) and ($4::boolean is null or coalesce(p.connected, false) = $4)
and ($5::boolean is null or ({_STUCK_SINCE} is not null) = $5)
and ($6::float8 is null or {_STUCK_SINCE} <= now() - make_interval(secs => $6))
"""


async def find(connection: Connection, device: str) -> DeviceRow | None:
    """One device, retired ones too; None also when the tenant may not see it."""
    row = await connection.fetchrow(f"{_SELECT} where d.id = $1", device)
    return DeviceRow(*row.values()) if row is not None else None


async def addressee(tenancy: Tenancy, scope: str, device: str) -> Addressee | None:
    """One device, retired ones too; None also when the tenant may not see it."""
    row = await tenancy.row(_ADDRESSEE, scope, device)
    return Addressee(*row.values()) if row is not None else None


async def page(connection: Connection, wanted: Filter, after: str, limit: int) -> list[DeviceRow]:
    """Devices that are not retired, by id, after the given one."""
    rows = await connection.fetch(
        f"{_SELECT} where {_FILTER} and d.id > $7 order by d.id limit $8",
        wanted.device_type, wanted.organization, wanted.q, wanted.connected, wanted.has_delta, wanted.stuck_for_s, after, limit,
    )  # fmt: skip
    return [DeviceRow(*row.values()) for row in rows]


async def fleet(connection: Connection, organization: str | None) -> list[tuple[Ownership, bool]]:
    """Every device that is not retired, and whether it is connected."""
    rows = await connection.fetch(_FLEET, organization)
    return [(Ownership(*about), connected) for *about, connected in rows]


async def ownerships(
    connection: Connection, device_type: str | None, organization: str | None, devices: Sequence[str] | None = None
) -> list[Ownership]:
    """Devices by id, retired ones too, each with its present owner's time; None means any."""
    rows = await connection.fetch(
        f"""{_OWNERSHIPS} where ($1::text is null or d.device_type = $1) and ($2::text is null or d.organization_id = $2)
            and ($3::text[] is null or d.id = any($3)) order by d.id""",
        device_type, organization, None if devices is None else list(devices),
    )  # fmt: skip
    return [Ownership(*row.values()) for row in rows]


async def insert(
    connection: Connection, device: str, key: str, device_type: str, manufacturer: str, organization: str, kind: Kind
) -> bool:
    """Register a device and its first owner; False when the id is or was taken by anyone, a service included."""
    status = await connection.execute(
        """insert into registry.devices (id, device_key, device_type, manufacturer, organization_id, kind)
           select $1, $2, $3, $4, $5, $6 where not registry.is_service_id($1) on conflict (id) do nothing""",
        device, key, device_type, manufacturer, organization, kind,
    )  # fmt: skip
    if status != "INSERT 0 1":
        return False
    await connection.execute(
        "insert into registry.device_owner (device_id, organization_id) values ($1, $2)", device, organization
    )
    return True


async def insert_asset(connection: Connection, device: str, model: str, organization: str) -> None:
    """The thing that the device is; named after it until somebody renames it."""
    await connection.execute(
        "insert into asset.assets (asset_id, device_id, name, model, owner_id) values ($1, $1, $1, $2, $3)",
        device, model, organization,
    )  # fmt: skip


async def set_status(connection: Connection, device: str, status: Status) -> bool:
    """Move the device along its life cycle; False when it is retired, which is for good."""
    changed = await connection.execute(
        "update registry.devices set status = $2, changed_at = clock_timestamp() where id = $1 and status <> 'retired'",
        device, status,
    )  # fmt: skip
    return changed == "UPDATE 1"


async def set_key(connection: Connection, device: str, key: str) -> None:
    """The device is known by another public key from now on."""
    await connection.execute(
        "update registry.devices set device_key = $2, changed_at = clock_timestamp() where id = $1", device, key
    )
