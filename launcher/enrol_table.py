"""SQL that registers many devices in one statement each."""

from collections.abc import Sequence

from certs.issue import Issued
from cloud_api.tenancy import Connection
from iotsphere.devices._spec import DeviceType
from iotsphere.registry import OUT_OF_SERVICE

# One statement: the foreign keys of owners and assets are checked at its end.
_INSERT = """
with new as (
    insert into registry.devices (id, device_key, device_type, manufacturer, organization_id, kind)
    select n.id, n.key, $3, $4, $5, $6 from unnest($1::text[], $2::text[]) n (id, key) where not registry.is_service_id(n.id)
    on conflict (id) do nothing returning id
), owners as (
    insert into registry.device_owner (device_id, organization_id) select id, $5 from new
), assets as (
    insert into asset.assets (asset_id, device_id, name, model, owner_id) select id, id, id, $7, $5 from new
)
select n.id from unnest($1::text[]) n (id) where n.id not in (select id from new) order by n.id
"""


async def insert_devices(
    connection: Connection, ids: Sequence[str], keys: Sequence[str], declared: DeviceType, organization: str, kind: str
) -> list[str]:
    """Register devices with their first owner and their asset; returns the ids that are or were taken by anyone."""
    rows = await connection.fetch(
        _INSERT, list(ids), list(keys), declared.key, declared.manufacturer, organization, kind, declared.model
    )
    return [row["id"] for row in rows]


async def insert_certificates(
    connection: Connection, ids: Sequence[str], issued: Sequence[Issued], organization: str, kind: str
) -> None:
    """Record new certificates, one for each id."""
    await connection.execute(
        """insert into registry.certificates (serial, subject_id, kind, organization_id, fingerprint, not_after)
           select c.serial, c.id, $5, $6, c.fingerprint, c.not_after
           from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) c (serial, id, fingerprint, not_after)""",
        [i.serial for i in issued], list(ids), [i.fingerprint for i in issued], [i.not_after for i in issued], kind, organization,
    )  # fmt: skip


async def existing(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are registered."""
    rows = await connection.fetch("select id from registry.devices where id = any($1)", list(ids))
    return {row["id"] for row in rows}


async def find(connection: Connection, device: str) -> tuple[str, str, str] | None:
    """Type, organization and kind of a device; None when it is not registered."""
    row = await connection.fetchrow("select device_type, organization_id, kind from registry.devices where id = $1", device)
    return None if row is None else (row["device_type"], row["organization_id"], row["kind"])


async def simulated(connection: Connection, device_type: str, organization: str) -> list[str]:
    """Simulated devices of a type in an organization that are in service."""
    rows = await connection.fetch(
        """select id from registry.devices where device_type = $1 and organization_id = $2 and kind = 'simulated'
           and status <> all($3) order by id""",
        device_type, organization, OUT_OF_SERVICE,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def not_like(connection: Connection, ids: Sequence[str], device_type: str, organization: str, kind: str) -> list[str]:
    """Those of the ids that are registered as something else, or are out of service."""
    rows = await connection.fetch(
        """select id from registry.devices where id = any($1)
           and (device_type, organization_id, kind) is distinct from ($2, $3, $4) or id = any($1) and status = 'retired'
           order by id""",
        list(ids), device_type, organization, kind,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def set_keys(connection: Connection, ids: Sequence[str], keys: Sequence[str]) -> None:
    """The devices are known by other public keys from now on."""
    await connection.execute(
        """update registry.devices d set device_key = n.key, changed_at = now()
           from unnest($1::text[], $2::text[]) n (id, key) where d.id = n.id""",
        list(ids), list(keys),
    )  # fmt: skip


async def every(connection: Connection) -> list[dict[str, str]]:
    """All devices, by id."""
    rows = await connection.fetch(
        "select id, device_type, organization_id as organization, kind, status from registry.devices order by id"
    )
    return [dict(row) for row in rows]
