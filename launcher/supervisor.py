"""Starts the programs in order, keeps them running, stops them in reverse order."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from launcher import logfiles
from launcher.home import Home, write_private
from launcher.service import Program, Service
from launcher.stopping import unless_stopped

log = structlog.get_logger()

ROTATE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """Programs that start side by side, and what must be done once they are ready, before the next step."""

    programs: Sequence[Program]
    then: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class Stop:
    """The wish to end. ``politely`` first; ``at_once`` when somebody has no more patience."""

    politely: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """The first time politely, the second time at once."""
        if self.politely.is_set():
            self.at_once.set()
        self.politely.set()


class Supervisor:
    """One installation's programs; their state is in ``home.state_file`` at every moment."""

    def __init__(self, home: Home, steps: Sequence[Step], stop: Stop) -> None:
        self._home = home
        self._steps = [(step, [Service(program, self._publish) for program in step.programs]) for step in steps]
        self._stop = stop
        self.services = [service for _, services in self._steps for service in services]

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until the stop is asked for; nothing of us is left when this returns or raises.

        Raises:
            OperatorError: a program did not start, or a step could not be done.
        """
        self._publish()
        rotating = asyncio.create_task(self._rotate(), name="rotate logs")
        try:
            if await unless_stopped(self._stop.politely, self._start()):
                on_ready()
                await self._stop.politely.wait()
        finally:
            rotating.cancel()
            await self._shut_down()

    async def _start(self) -> None:
        for step, services in self._steps:
            try:
                async with asyncio.TaskGroup() as group:
                    for service in services:
                        group.create_task(service.start(), name=f"start {service.program.name}")
            except BaseExceptionGroup as errors:
                raise _first(errors) from None
            if step.then is not None:
                await step.then()

    async def _shut_down(self) -> None:
        for service in reversed(self.services):
            await self._end(service)
        self._publish()

    async def _end(self, service: Service) -> None:
        politely = asyncio.create_task(service.stop(), name=f"stop {service.program.name}")
        at_once = asyncio.create_task(self._stop.at_once.wait(), name="stop at once")
        await asyncio.wait({politely, at_once}, return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        if not politely.done():
            await service.stop(at_once=True)
        await politely

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            for path in self._home.logs.glob("*.log"):
                try:
                    await asyncio.to_thread(logfiles.rotate, path)
                except OSError as error:
                    log.error("a log cannot be rotated", log=str(path), error=str(error))

    def _publish(self) -> None:
        state = {s.program.name: {"state": s.state, "pid": s.pid, "restarts": s.restarts} for s in self.services}
        try:
            write_private(self._home.state_file, json.dumps(state))
        except OSError as error:  # a full disk must not end the supervisor
            log.error("the state cannot be written", error=str(error))


def _first(error: BaseException) -> BaseException:
    """Of several failures at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
