"""Registers devices and issues their certificates, many in one go."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from certs.authority import Authority
from certs.issue import Issued, issue_client
from cloud_api.tenancy import Connection
from iotsphere.devices import device_type
from iotsphere.errors import Conflict, InvalidInput
from iotsphere.identity import Identity, identity
from launcher import enrol_table


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Devices to be, all alike."""

    ids: Sequence[str]
    device_type: str
    organization: str
    simulated: bool


async def enrol(connection: Connection, authority: Authority, wanted: Enrolment) -> list[Issued]:
    """Register devices that do not exist yet, all or none; their certificates in the order of the ids.

    Raises:
        InvalidInput: a malformed id, an unknown type or organization.
        Conflict: one of the ids is taken, or was once.
    """
    declared = device_type(wanted.device_type)
    issued = [issue_client(authority, who) for who in _identities(wanted)]
    async with connection.transaction():
        try:
            taken = await enrol_table.insert_devices(
                connection, wanted.ids, [i.fingerprint for i in issued], declared, wanted.organization, _kind(wanted)
            )
        except asyncpg.ForeignKeyViolationError as error:
            raise InvalidInput("organization", f"there is no organization {wanted.organization!r}") from error
        if taken:
            raise Conflict(
                f"the id {taken[0]} is taken" if len(taken) == 1 else f"{len(taken)} ids are taken, such as {taken[0]}"
            )
        await enrol_table.insert_certificates(connection, wanted.ids, issued, wanted.organization, _kind(wanted))
    return issued


async def renew(connection: Connection, authority: Authority, wanted: Enrolment) -> list[Issued]:
    """New certificates for registered devices: the earlier keys are lost.

    Raises:
        Conflict: one of them is not of that type, organization and kind, or is out of service.
    """
    others = await enrol_table.not_like(connection, wanted.ids, wanted.device_type, wanted.organization, _kind(wanted))
    if others:
        raise Conflict(f"{others[0]} is no {_kind(wanted)} {wanted.device_type} of {wanted.organization} in service")
    issued = [issue_client(authority, who) for who in _identities(wanted)]
    async with connection.transaction():
        await enrol_table.set_keys(connection, wanted.ids, [i.fingerprint for i in issued])
        await enrol_table.insert_certificates(connection, wanted.ids, issued, wanted.organization, _kind(wanted))
    return issued


def _identities(wanted: Enrolment) -> list[Identity]:
    return [identity(wanted.organization, _kind(wanted), device) for device in wanted.ids]


def _kind(wanted: Enrolment) -> str:
    return "simulated" if wanted.simulated else "device"
