"""The example program runs as printed."""

import ast
import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
PROGRAM = Path(__file__).resolve().parents[3] / "examples" / "thermostat.py"


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
