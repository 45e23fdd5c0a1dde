"""The whole platform, started as its users start it: `iotsphere up` in a process of its own, on a home and ports of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launcher import status
from launcher.home import Home
from tests.support.processes import belonging_to
from tests.support.servers import wait_until

STARTS_S, STOPS_S = 90.0, 60.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
IOTSPHERE = (sys.executable, "-P", "-m", "launcher")


@dataclass
class Installation:
    """A home, running or not."""

    home: Home
    environment: dict[str, str]

    @classmethod
    def at(cls, root: Path, **settings: str) -> "Installation":
        """Settings by their names without the prefix, such as ``http_port="8080"``."""
        ports = {f"IOTSPHERE_{name}_PORT": "0" for name in ("HTTP", "MQTT", "WSS", "EDGE", "POSTGRES", "VALKEY")}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("IOTSPHERE_")}
        given = {f"IOTSPHERE_{name.upper()}": value for name, value in settings.items()}
        return cls(Home(root), {**clean, **ports, "IOTSPHERE_HOME": str(root), **given})

    def cli(self, *arguments: str, stdin: str = "", timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run an `iotsphere` command to its end."""
        return subprocess.run(
            [*IOTSPHERE, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def must(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed; its output."""
        done = self.cli(*arguments, stdin=stdin)
        assert done.returncode == 0, f"iotsphere {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """`iotsphere status --json`."""
        found: dict[str, Any] = json.loads(self.cli("status", "--json").stdout)
        return found

    def processes(self) -> dict[int, str]:
        """What lives of it."""
        return belonging_to(self.home.root)

    def wait_until_gone(self, timeout: float = STOPS_S) -> None:
        """Wait until no process of it is left."""
        wait_until(lambda: not self.processes(), f"the end of {self.processes()}", timeout)


@dataclass
class Platform:
    """A running installation."""

    installation: Installation
    process: "subprocess.Popen[bytes]"

    @property
    def home(self) -> Home:
        return self.installation.home

    @property
    def http(self) -> str:
        """URL of dashboard and REST."""
        return self.home.endpoints().http

    @property
    def mqtt(self) -> tuple[str, int]:
        """Host and port of the broker."""
        where = urlsplit(self.home.endpoints().mqtts)
        assert where.hostname is not None
        assert where.port is not None
        return where.hostname, where.port

    @property
    def dsn(self) -> str:
        return self.home.endpoints().dsn

    @property
    def telemetry_dsn(self) -> str:
        """Where readings are."""
        return self.installation.environment.get("IOTSPHERE_TELEMETRY_DSN") or self.dsn

    @property
    def redis_url(self) -> str:
        return self.home.endpoints().redis_url

    @property
    def admin_password(self) -> str:
        return self.home.admin_password_file.read_text().strip()

    def token(self, user: str = "admin", ttl_s: int = 3600) -> str:
        """A bearer token."""
        return self.installation.must("token", "--user", user, "--ttl", str(ttl_s)).strip()

    def device(self, id: str, device_type: str, out: Path, *options: str) -> dict[str, Any]:
        """Register a device; how it connects."""
        printed: dict[str, Any] = json.loads(
            self.installation.must("device", "add", id, "--type", device_type, "--out", str(out), *options)
        )
        return printed

    def request(self, method: str, path: str, body: object = None, token: str | None = None, **headers: str) -> Any:
        """A REST call; the decoded answer. Raises urllib's HTTPError."""
        request = urllib.request.Request(
            f"{self.http}{path}", method=method, headers={"Content-Type": "application/json", **headers}
        )
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        data = None if body is None else json.dumps(body).encode()
        with _DIRECT.open(request, data, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def service(self, name: str) -> dict[str, Any]:
        """State, pid and restarts of a service."""
        found: dict[str, Any] = json.loads(self.home.state_file.read_text())[name]
        return found

    def kill(self, name: str) -> int:
        """kill -9 of a service; the pid that it had."""
        pid = int(self.service(name)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_ready(self, timeout: float = STARTS_S) -> None:
        """Wait until every service is ready."""
        wait_until(lambda: status.is_ready(self.home), "the platform", timeout)

    def wait_restarted(self, name: str, before: int, timeout: float = STARTS_S) -> None:
        """Wait until the service has another pid and everything is ready."""
        wait_until(lambda: self.service(name)["pid"] not in (None, before), f"a new {name}", timeout)
        self.wait_ready(timeout)


@contextmanager
def platform(root: Path, *, demo: bool = True, **settings: str) -> Iterator[Platform]:
    """A running platform, stopped at the end; ``root`` becomes its home.

    Raises:
        AssertionError: it did not start, or left processes behind; with the end of its log.
    """
    installation = Installation.at(root, **settings)
    log = root.with_name(root.name + ".up.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*IOTSPHERE, "up", *([] if demo else ["--no-demo"])],
            env=installation.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for_start(installation, process, log)
        yield Platform(installation, process)
    finally:
        _stop(installation, process, log)


def _wait_for_start(installation: Installation, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_S
    while not status.is_ready(installation.home):
        assert process.poll() is None, f"`up` ended with {process.returncode}:\n{log.read_text()[-4000:]}"
        assert time.monotonic() < deadline, f"`up` is not ready after {STARTS_S} s:\n{log.read_text()[-4000:]}"
        time.sleep(0.05)


def _stop(installation: Installation, process: "subprocess.Popen[bytes]", log: Path) -> None:
    process.terminate()
    try:
        process.wait(STOPS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"`up` did not end within {STOPS_S} s:\n{log.read_text()[-4000:]}") from None
    installation.wait_until_gone()
