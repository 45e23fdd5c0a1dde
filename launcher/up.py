"""`iotsphere up`."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from functools import partial
from importlib import import_module

from certs.authority import open_authority
from iotsphere.infra import logging
from iotsphere.settings import Settings
from launcher import plan
from launcher.embedded.leftovers import wait_until_left
from launcher.embedded.postgres import data_of
from launcher.greeting import greeting
from launcher.home import Home
from launcher.lock import HomeLock
from launcher.plan import Plan
from launcher.spawn import raise_file_limit
from launcher.supervisor import Step, Stop, Supervisor

LEFTOVERS_S = 60.0
DATABASE = "launcher.database"  # takes half a second to load, in which the stores start


def up(settings: Settings, *, demo: bool) -> None:
    """Run the platform until SIGINT, SIGTERM or SIGHUP. A second signal ends it at once.

    Raises:
        HomeInUse: it runs on this home already.
        PortTaken: names the setting.
        OperatorError: something did not start.
    """
    began = time.monotonic()
    logging.configure(settings.log_level, service="supervisor")
    home = Home(settings.home)
    home.prepare()
    raise_file_limit()
    with _in_use(home):
        _wait_for_leftovers(home)
        made = plan.make_plan(settings, home)
        open_authority(home.certs)
        home.write_endpoints(made.endpoints)
        asyncio.run(_supervise(made, demo, began))


@contextlib.contextmanager
def _in_use(home: Home) -> Iterator[None]:
    lock = HomeLock(home.lock_file)
    lock.acquire(stale=(home.state_file, home.endpoints_file))
    try:
        yield
    finally:
        home.endpoints_file.unlink(missing_ok=True)
        home.state_file.unlink(missing_ok=True)
        lock.release()


def _wait_for_leftovers(home: Home) -> None:
    """The stores of a killed predecessor end in order by themselves; until then they hold their ports."""
    for directory in (data_of(home.postgres), home.valkey):
        wait_until_left(directory, LEFTOVERS_S)


async def _supervise(made: Plan, demo: bool, began: float) -> None:
    stop = Stop()
    for number in _signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.ask)
    loading = asyncio.create_task(asyncio.to_thread(import_module, DATABASE), name="load migrations")
    supervisor = Supervisor(made.home, _steps(made, demo), stop)
    _say(f"IoTSphere starts, its home is {made.home.root}")
    await supervisor.run(lambda: _say(greeting(made.home, time.monotonic() - began, "Ctrl-C or `iotsphere down`")))
    await loading
    _say("IoTSphere has stopped")


def _signals() -> list[signal.Signals]:
    """Those that end us; under nohup the end of the terminal does not."""
    found = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    return [number for number in found if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


def _say(text: str) -> None:
    """Nobody may be listening any more: that ends nothing."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _steps(made: Plan, demo: bool) -> list[Step]:
    steps = [Step(plan.stores(made), partial(_prepare_database, made)), Step(plan.services(made))]
    return [*steps, Step([plan.demo(made)])] if demo else steps


async def _prepare_database(made: Plan) -> None:
    database = await asyncio.to_thread(import_module, DATABASE)
    if made.postgres:
        await database.create(made.postgres)
    for dsn in filter(None, (made.dsn, made.settings.telemetry_dsn)):
        await database.migrate(made.home, dsn)
    await database.prepare_telemetry(made.settings.telemetry_dsn or made.dsn, made.settings.retention_days)
    await database.ensure_admin(made.home, made.dsn)
