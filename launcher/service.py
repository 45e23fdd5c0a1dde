"""One supervised program: started, probed, restarted with back-off, stopped within a bound."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from iotsphere.errors import OperatorError
from iotsphere.pause import set_within
from launcher.backoff import Backoff
from launcher.logfiles import tail
from launcher.probes import Health, Probe

log = structlog.get_logger()

FIRST_ATTEMPTS = 3
OPERATOR_MUST_ACT = 2  # the exit code of a program that says what its operator must change
Ladder = Sequence[tuple[signal.Signals, float]]
POLITE: Ladder = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


class State(StrEnum):
    """What `iotsphere status` shows."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


POLL_S = {State.READY: 2.0, State.UNREADY: 0.5}
STARTING_POLL_S, SLOW_START_S = 0.1, 10.0
PROBE_S = 5.0


class StartFailed(OperatorError):
    """A program did not come up; carries the last lines of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how to see that it works.

    Attributes:
        command: dies with us (see launcher.spawn).
        environment: added to ours.
        log: file that takes its output.
        before: called in a thread before each start; may wait for leftovers of the last one.
        stopping: signals to end it by, each with the seconds to wait for it.
        start_s: how long the first start may take.
        silence_s: a program that answered once and then is silent for so long is killed and started again.
    """

    name: str
    command: Sequence[str]
    log: Path
    probe: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    stopping: Ladder = POLITE
    start_s: float = 60.0
    silence_s: float = 30.0


class Service:
    """Keeps one program running.

    Args:
        changed: called whenever state, pid or restarts have changed.
    """

    def __init__(self, program: Program, changed: Callable[[], None]) -> None:
        self.program = program
        self.state = State.WAITING
        self.pid: int | None = None
        self.restarts = 0
        self._changed = changed
        self._ended_early = 0
        self._health = Health.SILENT
        self._accepted = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._was_ready = asyncio.Event()

    async def start(self) -> None:
        """Start the program and wait until it is ready for the first time, or answers at least when the time is over.

        Raises:
            StartFailed: it ended or did not answer in time.
        """
        self._keeper = asyncio.create_task(self._keep(), name=f"supervise {self.program.name}")
        ready = asyncio.create_task(self._was_ready.wait(), name=f"ready {self.program.name}")
        try:
            await asyncio.wait({self._keeper, ready}, timeout=self.program.start_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._keeper.done() and not self._stopping.is_set():
            self._keeper.result()
        if self._was_ready.is_set():
            return
        if self._health is not Health.UNREADY or self._stopping.is_set():
            raise StartFailed(self._explain(f"was not ready within {self.program.start_s:.0f} s"))
        log.warning("a program answers, but does not work yet", program=self.program.name, see=str(self.program.log))
        self._accepted = True
        self._set(State.UNREADY)

    async def stop(self, *, at_once: bool = False) -> None:
        """End the program; with ``at_once`` without its first, patient signal. Returns when it is gone."""
        self._stopping.set()
        if self._keeper is None:
            return
        for number, patience in self.program.stopping[1:] if at_once else self.program.stopping:
            self._signal(number)
            if (await asyncio.wait({self._keeper}, timeout=patience))[0]:
                break
        else:
            log.error("the program cannot be ended", program=self.program.name, pid=self.pid)
            self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)  # start() has told what it died of
        self._set(State.STOPPED)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _keep(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._run_once()
            except (OperatorError, OSError) as error:
                if not self._came_up:
                    raise
                log.error("a program cannot be started, trying again", program=self.program.name, error=str(error))
            if self._stopping.is_set():
                break
            self._check_first_attempts()
            self.restarts += 1
            self._set(State.RESTARTING)
            await set_within(self._stopping, backoff.after(time.monotonic() - began))

    async def _run_once(self) -> None:
        await asyncio.to_thread(self.program.before)
        if self._stopping.is_set():
            return
        self._process = await self._spawn()
        self.pid = self._process.pid
        self._set(State.STARTING)
        if self._stopping.is_set():  # asked while the process was being made: stop() had nothing to signal
            self._signal(self.program.stopping[0][0])
        code = await self._watch(self._process)
        self.pid = None
        if not self._stopping.is_set():
            log.warning("a program ended, it is started again", program=self.program.name, code=code)

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C on the terminal reaches us alone, and we stop the programs in order.
        descriptor = os.open(self.program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *self.program.command, stdin=asyncio.subprocess.DEVNULL, stdout=descriptor, stderr=descriptor,
                env={**os.environ, **self.program.environment}, cwd="/", start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Probe until the process has ended; returns its exit code."""
        probing = asyncio.create_task(self._probe_on(process), name=f"probe {self.program.name}")
        try:
            return await process.wait()
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)

    async def _probe_on(self, process: asyncio.subprocess.Process) -> None:
        began, heard = time.monotonic(), None
        while True:
            health = await self._probe()
            if health is not Health.SILENT:
                heard = time.monotonic()
            elif heard is not None and time.monotonic() - heard > self.program.silence_s and not self._stopping.is_set():
                log.error("a program does not answer, it is killed", program=self.program.name, pid=process.pid)
                process.kill()
                return
            self._show(health)
            soon = STARTING_POLL_S if time.monotonic() - began < SLOW_START_S else POLL_S[State.UNREADY]
            await asyncio.sleep(POLL_S.get(self.state, soon))

    async def _probe(self) -> Health:
        try:
            async with asyncio.timeout(PROBE_S):
                return await self.program.probe()
        except TimeoutError:
            return Health.SILENT
        except Exception as error:  # a fault of the probe must not leave the program without any
            log.error("a probe failed", program=self.program.name, error=repr(error))
            return Health.SILENT

    def _show(self, health: Health) -> None:
        self._health = health
        if self._stopping.is_set():
            return
        if health is Health.READY:
            self._was_ready.set()
            self._set(State.READY)
        elif self.state is State.READY:
            self._set(State.UNREADY)

    def _check_first_attempts(self) -> None:
        if self._came_up:
            return
        self._ended_early += 1
        code = self._process.returncode if self._process else None
        if code == OPERATOR_MUST_ACT:
            raise StartFailed(f"{self.program.name}: {self._last_line()}")
        if self._ended_early >= FIRST_ATTEMPTS:
            raise StartFailed(self._explain(f"ended with {code} before it was ready"))

    @property
    def _came_up(self) -> bool:
        """Whether its start is over, so that it is restarted for ever; before, it fails the start of the whole."""
        return self._accepted or self._was_ready.is_set()

    def _last_line(self) -> str:
        return "".join(tail(self.program.log, 1)).removeprefix("iotsphere: ")

    def _explain(self, what: str) -> str:
        said = "\n  ".join(tail(self.program.log, 8))
        return f"{self.program.name} {what}; the end of its log ({self.program.log}):\n  {said}"

    def _set(self, state: State) -> None:
        if state is State.STOPPED:
            self.pid = None
        if self.state is not state:
            self.state = state
            self._changed()
