"""`iotsphere doctor`: looks for what is wrong, and says what to do about it."""

import asyncio
import os

from iotsphere.settings import Settings
from launcher import doctor_machine, doctor_settings, doctor_stores
from launcher.check import Check
from launcher.home import Home
from launcher.lock import holder
from launcher.where import endpoints


def examine(settings: Settings, home: Home) -> list[Check]:
    """Everything that can be looked at; the stores only while the platform runs."""
    running = holder(home.lock_file) is not None
    found = [
        doctor_machine.python(),
        *doctor_settings.variables(os.environ),
        *doctor_settings.account(settings, os.geteuid()),
        *doctor_machine.wheels(settings),
        doctor_machine.disk(home),
        doctor_machine.files(),
        doctor_machine.clock(),
        *([] if running else doctor_machine.ports(settings)),
        *doctor_machine.certificates(home),
        doctor_machine.dashboard(),
        doctor_machine.platform(home),
    ]
    if not running and not settings.dsn:
        return found
    where = endpoints(settings, home)
    return [*found, *asyncio.run(doctor_stores.examine(where, settings.telemetry_dsn))]


def render(found: list[Check]) -> str:
    """One line a check, its advice below it."""
    return "\n".join(
        f"{check.level:<4}  {check.name:<12} {check.found}" + (f"\n        → {check.advice}" if check.level != "ok" else "")
        for check in found
    )
