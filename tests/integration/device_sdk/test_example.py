"""The example programs run as printed."""

import ast
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iotsphere import topics
from iotsphere.devices import device_types
from launcher.testing import OfflinePlatform
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PROGRAM = EXAMPLES / "thermostat.py"


def test_it_has_at_most_twenty_lines_of_code() -> None:
    tree = ast.parse(PROGRAM.read_text())
    lines = {line for node in ast.walk(tree) if isinstance(node, ast.stmt) for line in _lines(node)}
    assert len(lines) - 1 <= 20  # the docstring is no code


def _lines(node: ast.stmt) -> set[int]:
    decorators = getattr(node, "decorator_list", [])
    return {node.lineno, *(d.lineno for d in decorators)}


def bodies(it: TestBroker, tail: str) -> list[Any]:
    return [json.loads(d.payload) for d in it.ingest.committed if d.topic == f"iot/v1/h/{tail}" and d.payload]


async def test_it_publishes_obeys_and_answers(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("h")
        found = {"id": "h", "host": "localhost", "port": it.port, "ca": "ca.crt", "certificate": "h.crt", "key": "h.key"}
        (pki.directory / "h.json").write_text(json.dumps(found))
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            str(pki.directory),
            "h",
            cwd=PROGRAM.parents[1],
            env={"PYTHONPATH": str(PROGRAM.parents[1])},
        )
        try:
            await until(lambda: bodies(it, "telemetry"), 15)
            assert bodies(it, "telemetry")[0]["values"] == {"water_temperature": 20.5, "element_power": 3000}
            wish = {"target_temperature": 40.0}
            document = {"version": 2, "timestamp": 1, "state": {"desired": wish, "delta": wish}}
            await it.broker.send("h", topics.shadow_reply("h", "get", "accepted"), json.dumps(document).encode())
            await until(
                lambda: any(b["state"]["reported"].get("target_temperature") == 40.0 for b in bodies(it, "shadow/update"))
            )
            await it.broker.send("h", topics.command_request("h", "c1"), _request("run_self_test"))
            await until(lambda: bodies(it, "command/c1/response"))
            assert bodies(it, "command/c1/response")[0]["status"] == "succeeded"
        finally:
            child.send_signal(signal.SIGINT)
            await asyncio.wait_for(child.wait(), 10)


def _request(name: str) -> bytes:
    now = int(time.time() * 1000)
    return json.dumps({"id": "c1", "name": name, "params": {}, "issued_at": now, "expires_at": now + 9000}).encode()


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[OfflinePlatform]:
    made = OfflinePlatform(tmp_path, device_types())
    made.start()
    yield made
    made.stop()


def test_a_gateway_speaks_for_each_child_in_a_session_of_its_own(offline: OfflinePlatform) -> None:
    children = ("boiler-1", "boiler-2")
    directory, _ = (offline.add(child, "water_heater") for child in children)
    gateway = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "gateway.py"), str(directory), *children],
        env={"PYTHONPATH": str(EXAMPLES.parent)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert gateway.stdin is not None
    with gateway:
        try:
            offline.until(lambda: all(map(offline.connected, children)))
            gateway.stdin.write("boiler-1 water_temperature 54.2\nboiler-2 pressure 2.5\n")
            gateway.stdin.flush()
            offline.set_desired("boiler-2", {"target_temperature": 40.0})
            offline.until(lambda: all(map(offline.readings, children)) and offline.reported("boiler-2"))
            said, _ = gateway.communicate(timeout=10)  # the end of its input ends it
        finally:
            gateway.kill()
    assert [[reading.values for reading in offline.readings(child)] for child in children] == [
        [{"water_temperature": 54.2}],
        [{"pressure": 2.5}],
    ]
    assert said == "boiler-2 {'target_temperature': 40.0}\n"
    assert gateway.returncode == 0


@pytest.mark.parametrize("where", ["in the clone", "copied"])
def test_the_test_of_a_device_runs_as_its_docstring_says(where: str, tmp_path: Path) -> None:
    if where == "copied":
        for name in ("conftest.py", "test_heater.py"):
            shutil.copy(EXAMPLES / name, tmp_path)
    # As the extra `testing` brings it.
    bare = [part for plugin in ("asyncio", "cacheprovider", "playwright") for part in ("-p", f"no:{plugin}")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *bare],
        cwd=tmp_path if where == "copied" else EXAMPLES, env={"PYTHONPATH": str(EXAMPLES.parent)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
