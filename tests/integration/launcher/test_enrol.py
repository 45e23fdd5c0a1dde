"""Registration of many devices, revocation."""

import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from cloud_api.tenancy import Connection
from iotsphere.devices import device_types
from iotsphere.errors import Conflict, InvalidInput, NotFound
from launcher import certificate_table, certificates
from launcher.enrol import Enrolment, enrol, renew
from tests.support.pki import Pki

pytestmark = pytest.mark.integration

TYPE = next(iter(device_types()))


@pytest.fixture
async def connection(migrated_dsn: str) -> AsyncIterator[Connection]:
    made = await asyncpg.connect(migrated_dsn)
    yield made
    await made.close()


def some(*ids: str, **changes: object) -> Enrolment:
    return Enrolment(**{"ids": ids, "device_type": TYPE, "organization": "default", "simulated": False, **changes})  # type: ignore[arg-type]


async def test_a_thousand_devices_in_a_moment(connection: Connection, pki: Pki) -> None:
    began = time.monotonic()
    issued = await enrol(connection, pki.authority, some(*(f"d-{n}" for n in range(1000))))
    assert time.monotonic() - began < 10
    rows = await connection.fetch(
        """select d.id, d.device_key, c.serial, o.organization_id, a.model
           from registry.devices d join registry.certificates c on c.subject_id = d.id
           join registry.device_owner o on o.device_id = d.id
           join asset.assets a on a.device_id = d.id where d.kind = 'device' and d.status = 'registered'"""
    )
    assert {row["device_key"] for row in rows} == {one.fingerprint for one in issued}
    assert {row["serial"] for row in rows} == {one.serial for one in issued}
    assert {row["organization_id"] for row in rows} == {"default"}


async def test_one_taken_id_registers_none(connection: Connection, pki: Pki) -> None:
    await enrol(connection, pki.authority, some("taken"))
    with pytest.raises(Conflict, match="taken"):
        await enrol(connection, pki.authority, some("new", "taken"))
    assert await connection.fetchval("select count(*) from registry.devices") == 1
    assert await connection.fetchval("select count(*) from registry.certificates") == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"device_type": "nothing"}, "device_type"), ({"organization": "nobody"}, "organization"), ({"ids": ("a/b",)}, "id")],
)
async def test_what_is_wrong_is_named(connection: Connection, pki: Pki, changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        await enrol(connection, pki.authority, some("d", **changes))
    assert raised.value.field == field


async def test_lost_keys_are_replaced_for_the_same_device_only(connection: Connection, pki: Pki) -> None:
    await enrol(connection, pki.authority, some("s", simulated=True))
    (again,) = await renew(connection, pki.authority, some("s", simulated=True))
    assert await connection.fetchval("select device_key from registry.devices") == again.fingerprint
    with pytest.raises(Conflict):
        await renew(connection, pki.authority, some("s", simulated=False))


async def test_a_device_gets_another_certificate_and_a_stranger_none(connection: Connection, pki: Pki, valkey_url: str) -> None:
    await enrol(connection, pki.authority, some("s", simulated=True))
    issued, device_type = await certificates.issue_device(connection, valkey_url, pki.authority, "s")
    assert await connection.fetchval("select device_key from registry.devices") == issued.fingerprint
    assert device_type == TYPE
    assert [(row["kind"], row["revoked_at"]) for row in await certificates.listed(connection, "s")] == [("simulated", None)] * 2
    with pytest.raises(NotFound):
        await certificates.issue_device(connection, valkey_url, pki.authority, "stranger")
    await connection.execute("update registry.devices set status = 'retired'")
    with pytest.raises(Conflict):
        await certificates.issue_device(connection, valkey_url, pki.authority, "s")


async def test_a_device_s_certificates_are_revoked_together(connection: Connection, pki: Pki, valkey_url: str) -> None:
    await enrol(connection, pki.authority, some("d"))
    await renew(connection, pki.authority, some("d"))
    assert await certificates.revoke(connection, valkey_url, "d", "lost") == 2
    assert {row["revoked_reason"] for row in await certificates.listed(connection, "d")} == {"lost"}
    assert len(await certificate_table.revoked(connection)) == 2
    with pytest.raises(NotFound):
        await certificates.revoke(connection, valkey_url, "d", "again")
