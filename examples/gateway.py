"""A gateway: `python gateway.py DIRECTORY ID …` opens a session for each child behind it, with the child's own certificate.

Lines on stdin, such as `boiler-1 water_temperature 54.2`, stand for the children's radio or bus; stdout tells what they shall do.
"""

import asyncio
import sys

from device_sdk import AioDevice


def open_child(directory, name):
    child = AioDevice.from_directory(directory, name)

    @child.on_desired
    def obey(wish):
        print(name, wish, flush=True)
        return wish  # what the child has confirmed

    return child


async def main(directory, *names):
    children = {name: open_child(directory, name) for name in names}
    await asyncio.gather(*(child.connect() for child in children.values()))
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, measurement, value = line.split()
            await children[name].publish({measurement: float(value)})
    finally:
        await asyncio.gather(*(child.close() for child in children.values()))


asyncio.run(main(*sys.argv[1:]))
