"""The demonstration fleet: simulated devices of every type, in an organization of their own."""

import asyncio

from launcher import simulated
from launcher.home import Endpoints, Home
from simulator.fleet import run_fleet

ORGANIZATION = "demo"


async def run_demo(home: Home, where: Endpoints, count: int, stop: asyncio.Event) -> None:
    """Run the fleet until ``stop`` is set."""
    async with asyncio.TaskGroup() as group:
        for seed, (declared, share) in enumerate(simulated.shares(count)):
            devices = await simulated.ensure(home, where, ORGANIZATION, declared.key, share)
            group.create_task(run_fleet(devices, declared, seed=seed, stop=stop), name=f"demo {declared.key}")
