"""`iotsphere simulate`."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from iotsphere.devices import device_type, device_types
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput
from launcher import simulated
from launcher.home import Endpoints, Home
from launcher.spawn import raise_file_limit
from simulator import terminal
from simulator.fleet import run_fleet
from simulator.report import FleetReport


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to run; see run_fleet(). The type may be left out when there is only one."""

    devices: int
    device_type: str | None
    seed: int
    rate_hz: float | None
    duration_s: float | None
    organization: str


async def simulate(home: Home, where: Endpoints, wanted: Simulation) -> FleetReport:
    """Run a fleet until its time is over or a signal comes.

    Raises:
        InvalidInput: no such type or organization, or several types to choose from.
    """
    raise_file_limit()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    declared = chosen(wanted.device_type, device_types())
    devices = await simulated.ensure(home, where, wanted.organization, declared.key, wanted.devices)
    with terminal.show(f"{wanted.devices} × {declared.title}") as on_progress:
        return await run_fleet(
            devices, declared, seed=wanted.seed, rate_hz=wanted.rate_hz, duration_s=wanted.duration_s,
            on_progress=on_progress, stop=stop,
        )  # fmt: skip


def chosen(key: str | None, declared: Mapping[str, DeviceType]) -> DeviceType:
    """The type of that key, or the only one.

    Raises:
        InvalidInput: no such type, or several to choose from.
    """
    if key is not None:
        return device_type(key)
    if len(declared) > 1:
        raise InvalidInput("type", f"there are several: choose one with --type ({', '.join(sorted(declared))})")
    return next(iter(declared.values()))


def render(report: FleetReport) -> str:
    """The report for people."""
    return (
        f"{report.devices} devices: {report.published:,} published, {report.acked:,} acknowledged, {report.lost:,} lost"
        f" in {report.seconds:.1f} s ({report.acked_per_s:,.1f}/s); PUBACK after {report.p50_ms} (p50), {report.p99_ms} ms (p99)"
    )
