"""Checks of the environment that `iotsphere` is called in."""

from collections.abc import Iterable
from difflib import get_close_matches

from iotsphere.settings import Settings
from launcher.check import Check
from launcher.embedded.postgres import SYSTEM_USER

PREFIX = "IOTSPHERE_"
# Read by the build and by the tests, not by the platform.
OTHERS = {"IOTSPHERE_UI", "IOTSPHERE_TEST_POSTGRES_DSN", "IOTSPHERE_TEST_VALKEY_URL", "IOTSPHERE_TEST_TIMESCALE_DSN"}


def variables(environment: Iterable[str]) -> list[Check]:
    """A warning for each variable with our prefix that nobody reads: it is most likely mistyped."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name for name in environment if name.upper().startswith(PREFIX)}  # settings are read in any case
    strange = sorted(name for name in given if name.upper() not in known | OTHERS)
    return [Check("settings", "warn", f"{name} is no setting", _advice(name, known)) for name in strange]


def _advice(name: str, known: set[str]) -> str:
    close = get_close_matches(name.upper(), sorted(known), 1)
    return f"did you mean {close[0]}?" if close else "it has no effect; README.md lists the settings"


def account(settings: Settings, uid: int) -> list[Check]:
    """What is special about root."""
    if uid != 0 or settings.dsn:
        return []
    return [Check("account", "ok", f"root: PostgreSQL runs as the system user {SYSTEM_USER}, which `up` adds when it is missing")]
