"""Names of measurements that their types do not declare: bounded, because each one costs for ever. Pure."""

from collections import OrderedDict

NAMES = 256  # undeclared ones of a device
KEPT = 500_000  # of all devices, in memory


class Names:
    """Undeclared names of each device.

    Counted since the process started, not looked up in the table: a restart allows a device as many once more. Bounded by
    ``kept``; policy when full: the device that sent an undeclared name longest ago is forgotten and begins anew.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._count = 0
        self._devices: OrderedDict[str, set[str]] = OrderedDict()

    def admits(self, device: str, name: str) -> bool:
        """Whether the device may use the name."""
        known = self._devices.get(device, ())
        return name in known or len(known) < NAMES

    def learn(self, device: str, name: str) -> None:
        """The device uses an admitted name."""
        known = self._devices.setdefault(device, set())
        self._devices.move_to_end(device)
        if name not in known:
            known.add(name)
            self._count += 1
        while self._count > self._kept and len(self._devices) > 1:
            self._count -= len(self._devices.popitem(last=False)[1])
