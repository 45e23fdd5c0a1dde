"""Programs are started in order, restarted, and stopped in reverse order within a bound."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from launcher.home import Home
from launcher.probes import Health
from launcher.service import Program, Service, StartFailed, State
from launcher.supervisor import Step, Stop, Supervisor
from tests.support.processes import alive
from tests.support.programs import program, when
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "a home with spaces")
    made.prepare()
    return made


@asynccontextmanager
async def supervised(home: Home, *steps: Step) -> AsyncIterator[Supervisor]:
    stop, ready = Stop(), asyncio.Event()
    supervisor = Supervisor(home, steps, stop)
    running = asyncio.create_task(supervisor.run(ready.set))
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({running, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.done():
            running.result()
        yield supervisor
    finally:
        stop.ask()
        await running


def states(home: Home) -> dict[str, str]:
    return {name: service["state"] for name, service in json.loads(home.state_file.read_text()).items()}


async def test_a_killed_program_is_started_again_and_counted(home: Home) -> None:
    async with supervised(home, Step([program(home.logs, "edge")])) as supervisor:
        service = supervisor.services[0]
        first = service.pid
        assert first is not None
        assert states(home) == {"edge": "ready"}
        os.kill(first, signal.SIGKILL)
        await until(lambda: service.state is State.READY and service.pid not in (None, first))
        assert service.restarts == 1
        assert json.loads(home.state_file.read_text())["edge"] == {"state": "ready", "pid": service.pid, "restarts": 1}
        last = service.pid
        assert last is not None
    assert not alive(last)
    assert states(home) == {"edge": "stopped"}


async def test_the_end_comes_in_reverse_order(home: Home) -> None:
    story = home.run / "story"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open({story!r}, 'a').write({name!r} + ' ended\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nopen({story!r}, 'a').write({name!r} + ' began\\n')\ntime.sleep(600)"
    )

    def telling(name: str) -> Program:
        return program(
            home.logs, name, code.format(story=str(story), name=name),
            probe=when(lambda: story.exists() and f"{name} began" in story.read_text()),
        )  # fmt: skip

    async def between() -> None:
        with story.open("a") as file:
            file.write("between\n")

    async with supervised(home, Step([telling("one")], between), Step([telling("two")])):
        pass
    assert story.read_text().splitlines() == ["one began", "between", "two began", "two ended", "one ended"]


async def test_a_program_that_does_not_listen_is_killed_within_its_bound(home: Home) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    ladder = ((signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
    log = home.logs / "deaf.log"
    async with supervised(
        home, Step([program(home.logs, "deaf", deaf, stopping=ladder, probe=when(lambda: b"deaf" in log.read_bytes()))])
    ) as supervisor:
        pid = supervisor.services[0].pid
        began = time.monotonic()
    assert pid is not None
    assert not alive(pid)
    assert 0.3 <= time.monotonic() - began < 4


async def test_the_second_wish_to_stop_is_not_patient(home: Home) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    log = home.logs / "deaf.log"
    stop, ready = Stop(), asyncio.Event()
    steps = [Step([program(home.logs, "deaf", deaf, probe=when(lambda: b"deaf" in log.read_bytes()))])]
    supervisor = Supervisor(home, steps, stop)
    running = asyncio.create_task(supervisor.run(ready.set))
    await asyncio.wait_for(ready.wait(), 10)
    stop.ask()
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.ask()
    await asyncio.wait_for(running, 3)


async def test_a_program_that_says_what_is_wrong_fails_the_start_at_once(home: Home) -> None:
    wrong = "import sys; print('port 1 is taken, set IOTSPHERE_X', file=sys.stderr); sys.exit(2)"
    never = when(lambda: False)
    good = program(home.logs, "good")
    with pytest.raises(StartFailed, match="IOTSPHERE_X"):
        async with supervised(home, Step([good]), Step([program(home.logs, "wrong", wrong, probe=never)])):
            pass
    assert states(home) == {"good": "stopped", "wrong": "stopped"}


async def test_a_start_that_takes_too_long_fails(home: Home) -> None:
    slow = program(home.logs, "slow", probe=when(lambda: False), start_s=0.5)
    with pytest.raises(StartFailed, match="not ready within"):
        async with supervised(home, Step([slow])):
            pass


async def test_a_program_that_answers_is_no_failed_start(home: Home) -> None:
    works = False
    probe = when(lambda: works, otherwise=Health.UNREADY)
    async with supervised(home, Step([program(home.logs, "waiting", probe=probe, start_s=0.5)])) as supervisor:
        service = supervisor.services[0]
        assert states(home) == {"waiting": "unready"}
        first = service.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)  # it is restarted like any other
        await until(lambda: service.restarts == 1 and service.pid not in (None, first))
        works = True
        await until(lambda: service.state is State.READY)


async def test_a_silent_program_is_killed_and_started_again(home: Home) -> None:
    answers = True
    service = Service(program(home.logs, "mute", probe=when(lambda: answers), silence_s=0.2), lambda: None)
    await service.start()
    first = service.pid
    answers = False
    await until(lambda: service.restarts == 1, timeout=10)
    answers = True
    await until(lambda: service.state is State.READY, timeout=10)
    assert service.pid != first
    await service.stop()


async def test_the_stop_during_a_start_leaves_nothing(home: Home) -> None:
    stop = Stop()
    supervisor = Supervisor(home, [Step([program(home.logs, "slow", probe=when(lambda: False))])], stop)
    running = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.services[0].pid is not None)
    pid = supervisor.services[0].pid
    assert pid is not None
    stop.ask()
    await asyncio.wait_for(running, 10)
    assert not alive(pid)


async def test_programs_die_with_a_killed_supervisor(home: Home) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from launcher.home import Home\nfrom launcher.supervisor import Step, Stop, Supervisor\n"
        "from tests.support.programs import program\n"
        "home = Home(pathlib.Path(sys.argv[1]))\n"
        "asyncio.run(Supervisor(home, [Step([program(home.logs, 'child')])], Stop()).run())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(home.root)], cwd=Path(__file__).parents[3])  # noqa: ASYNC220
    try:
        await until(lambda: home.state_file.exists() and states(home) == {"child": "ready"}, timeout=20)
        pid = json.loads(home.state_file.read_text())["child"]["pid"]
        assert alive(pid)
    finally:
        parent.kill()
        parent.wait()
    await until(lambda: not alive(pid))
