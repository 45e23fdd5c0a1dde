"""What the hot path must know of a device, and where it asks."""

from dataclasses import dataclass
from typing import Protocol

OUT_OF_SERVICE = ("disabled", "retired")
"""Statuses in which a device is told nothing any more."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A registered client, as the registry has it.

    Attributes:
        id: device id = client id = certificate CN.
        organization: whom it belongs to.
        device_type: key of its type, "" for a service.
        kind: ``device``, ``simulated`` or ``service``.
        status: life cycle: registered | active | disabled | retired.
    """

    id: str
    organization: str
    device_type: str
    kind: str
    status: str

    @property
    def simulated(self) -> bool:
        """Whether everything it says is simulation."""
        return self.kind == "simulated"


class Registry(Protocol):
    """Look-ups from memory, kept fresh in the background."""

    def get(self, device: str) -> DeviceRecord | None:
        """The record, or None when it is not known in memory."""

    async def find(self, device: str) -> DeviceRecord | None:
        """The record from memory, else from the database: for a CONNECT of a device that was added a moment ago.

        Raises:
            StoreUnavailable: the database does not answer.
        """

    def revoked(self, serial: str) -> bool:
        """Whether the certificate of this serial (lower-case hexadecimal) is revoked."""
