"""Where the commands find the running platform."""

from iotsphere.errors import Misconfigured
from iotsphere.settings import Settings
from launcher.home import Endpoints, Home
from launcher.lock import holder


def endpoints(settings: Settings, home: Home) -> Endpoints:
    """The platform that runs on this home, else the one that the settings name.

    Raises:
        Misconfigured: there is neither.
    """
    if holder(home.lock_file) is not None or not settings.dsn:
        _must_run(home)
        return home.endpoints()
    return Endpoints.of(settings)


def _must_run(home: Home) -> None:
    if holder(home.lock_file) is None:
        raise Misconfigured(f"nothing runs on {home.root}: start it with `iotsphere up`, or set IOTSPHERE_HOME")
