"""Simulated devices: registered when missing, their credentials kept below the home."""

import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from device_sdk import Credentials
from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from launcher import credentials, enrol_table, installed
from launcher.enrol import Enrolment, enrol, renew
from launcher.home import Endpoints, Home


def ids(organization: str, device_type: str, count: int) -> list[str]:
    """Names of the first ``count`` simulated devices of a type in an organization; the same at every call."""
    return [f"{_prefix(organization, device_type)}{number:04d}" for number in range(1, count + 1)]


def shares(count: int) -> list[tuple[DeviceType, int]]:
    """How many devices of each type make up a mixed fleet."""
    types = list(device_types().values())
    each, more = divmod(count, len(types))
    return [(declared, each + (number < more)) for number, declared in enumerate(types) if each + (number < more)]


async def ensure(
    home: Home, where: Endpoints, organization: str, device_type: str, count: int, *, earlier: bool = False
) -> list[Credentials]:
    """Credentials of ``count`` simulated devices; those that are missing are registered.

    Args:
        earlier: also those that an earlier, larger count has left in the registry and nobody has retired.

    Raises:
        InvalidInput: there is no such type or organization.
        Conflict: one of the names belongs to something else.
    """
    authority, directory = installed.authority(home), home.devices / organization
    wanted = ids(organization, device_type, count)
    ca = authority.ca_file.read_bytes()
    connection = await asyncpg.connect(where.dsn)
    try:
        if earlier:
            present = await enrol_table.simulated(connection, device_type, organization)
            wanted = _with_earlier(wanted, organization, device_type, present)
        known = await enrol_table.existing(connection, wanted)
        new = [device for device in wanted if device not in known]
        lost = [device for device in wanted if device in known and not credentials.is_complete(directory, device, ca)]
        for work, some in ((enrol, new), (renew, lost)):
            if some:
                issued = await work(connection, authority, Enrolment(some, device_type, organization, simulated=True))
                for device, one in zip(some, issued, strict=True):
                    credentials.write(one, authority, directory, device, device_type, where.mqtts)
    finally:
        await connection.close()
    return _loaded(wanted, device_type, where, directory)


def _with_earlier(wanted: Sequence[str], organization: str, device_type: str, present: Sequence[str]) -> list[str]:
    """Only names of ours are added: another simulated device has its keys elsewhere, and would lose them here."""
    ours = re.compile(re.escape(_prefix(organization, device_type)) + r"\d{4,}")
    return sorted({*wanted, *(device for device in present if ours.fullmatch(device))})


def _prefix(organization: str, device_type: str) -> str:
    return f"{organization}-{device_type.replace('_', '-')}-"


def _loaded(wanted: Sequence[str], device_type: str, where: Endpoints, directory: Path) -> list[Credentials]:
    """The address is of today: ports may have changed since the files were written."""
    return [Credentials.of(device, where.mqtts, directory, device_type) for device in wanted]
