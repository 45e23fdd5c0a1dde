"""Simulated devices: registered when missing, their credentials kept below the home."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from certs.authority import open_authority
from device_sdk import Credentials
from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from launcher import credentials, enrol_table
from launcher.enrol import Enrolment, enrol, renew
from launcher.home import Endpoints, Home


def ids(organization: str, device_type: str, count: int) -> list[str]:
    """Names of the first ``count`` simulated devices of a type in an organization; the same at every call."""
    return [f"{organization}-{device_type.replace('_', '-')}-{number:04d}" for number in range(1, count + 1)]


def shares(count: int) -> list[tuple[DeviceType, int]]:
    """How many devices of each type make up a mixed fleet."""
    types = list(device_types().values())
    each, more = divmod(count, len(types))
    return [(declared, each + (number < more)) for number, declared in enumerate(types) if each + (number < more)]


async def ensure(home: Home, where: Endpoints, organization: str, device_type: str, count: int) -> list[Credentials]:
    """Credentials of ``count`` simulated devices.

    Raises:
        InvalidInput: there is no such type or organization.
        Conflict: one of the names belongs to something else.
    """
    wanted, authority, directory = ids(organization, device_type, count), open_authority(home.certs), home.devices / organization
    ca = authority.ca_file.read_bytes()
    connection = await asyncpg.connect(where.dsn)
    try:
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


def _loaded(wanted: Sequence[str], device_type: str, where: Endpoints, directory: Path) -> list[Credentials]:
    """The address is of today: ports may have changed since the files were written."""
    found = [credentials.connect_file(device, device_type, where.mqtts, directory) for device in wanted]
    return [Credentials(f.id, f.host, f.port, Path(f.ca), Path(f.certificate), Path(f.key), f.device_type) for f in found]
