"""Where commands find the platform."""

from pathlib import Path

import pytest

from iotsphere.errors import Misconfigured
from iotsphere.settings import Settings
from launcher.home import Endpoints, Home
from launcher.lock import HomeLock
from launcher.where import endpoints

RUNNING = Endpoints(
    "http://localhost:1",
    "mqtts://localhost:2",
    "wss://localhost:4/mqtt",
    "postgresql://running",
    "redis://running",
    "http://127.0.0.1:3",
)


def test_a_running_platform_comes_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    home.write_endpoints(RUNNING)
    lock = HomeLock(home.lock_file)
    lock.acquire()
    assert endpoints(Settings(dsn="postgresql://other"), home) == RUNNING
    lock.release()


def test_without_one_the_settings_count(tmp_path: Path) -> None:
    settings = Settings(dsn="postgresql://other", redis_url="redis://other", public_host=("iot.example",), mqtt_port=1883)
    found = endpoints(settings, Home(tmp_path))
    assert found.dsn == "postgresql://other"
    assert found.mqtts == "mqtts://iot.example:1883"
    assert found.wss == "wss://iot.example:8884/mqtt"


def test_without_either_it_says_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    home.write_endpoints(RUNNING)  # left behind by a kill
    with pytest.raises(Misconfigured, match="iotsphere up"):
        endpoints(Settings(dsn=""), home)
