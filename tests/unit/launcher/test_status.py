"""`iotsphere status` as data."""

import json
from dataclasses import asdict
from pathlib import Path

from launcher import status
from launcher.home import Endpoints, Home
from launcher.lock import HomeLock

ENDPOINTS = Endpoints("http://localhost:1", "mqtts://localhost:2", "wss://localhost:4/mqtt", "postgresql://x", "redis://x", "")


def home_with(tmp_path: Path, **states: str) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    home.write_endpoints(ENDPOINTS)
    home.state_file.write_text(json.dumps({name: {"state": s, "pid": 1, "restarts": 0} for name, s in states.items()}))
    return home


def test_it_has_what_scripts_rely_on(tmp_path: Path) -> None:
    home = home_with(tmp_path, edge="ready", cloud="ready")
    lock = HomeLock(home.lock_file)
    lock.acquire()
    found = asdict(status.read(home))
    lock.release()
    assert found["ready"] is True
    assert found["urls"] == {"http": "http://localhost:1", "mqtts": "mqtts://localhost:2", "wss": "wss://localhost:4/mqtt"}
    assert found["dsn"] == "postgresql://x"
    assert found["admin"] == {"user": "admin", "password_file": str(home.root / "secrets" / "admin-password")}
    assert found["services"]["edge"] == {"state": "ready", "pid": 1, "restarts": 0}
    assert found["disk"].keys() >= {"used", "days_left"}


def test_one_service_that_is_not_ready_makes_it_not_ready(tmp_path: Path) -> None:
    home = home_with(tmp_path, edge="ready", cloud="starting")
    lock = HomeLock(home.lock_file)
    lock.acquire()
    assert not status.read(home).ready
    assert not status.is_ready(home)
    lock.release()


def test_what_a_killed_supervisor_left_counts_for_nothing(tmp_path: Path) -> None:
    home = home_with(tmp_path, edge="ready")
    found = status.read(home)
    assert not found.ready
    assert found.services == {}
    assert found.urls == {}
    assert status.render(found) == "not running"
