"""The demonstration fleet: simulated devices of every type, in an organization of their own."""

import asyncio

from iotsphere.devices import device_types
from launcher import simulated
from launcher.home import Endpoints, Home
from simulator.fleet import run_fleet

ORGANIZATION = "demo"


async def run_demo(home: Home, where: Endpoints, count: int, stop: asyncio.Event) -> None:
    """Run ``count`` devices until ``stop`` is set, and those of an earlier fleet: another type makes each share smaller."""
    shares = {declared.key: share for declared, share in simulated.shares(count)}
    async with asyncio.TaskGroup() as group:
        for seed, declared in enumerate(device_types().values()):
            devices = await simulated.ensure(home, where, ORGANIZATION, declared.key, shares.get(declared.key, 0), earlier=True)
            if devices:
                group.create_task(run_fleet(devices, declared, seed=seed, stop=stop), name=f"demo {declared.key}")
