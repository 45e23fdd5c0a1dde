"""Clients that nobody here wrote connect unchanged.

A client that is not installed is skipped and named; REQUIRE_MOSQUITTO=1 lets its absence fail. mosquitto's programs are Debian's
package mosquitto-clients; awsiotsdk is a Python package; mqtt is a Node package that NODE_PATH leads to.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
from concurrent.futures import Future
from typing import Any, Literal

import paho.mqtt.client as paho
import pytest

from broker.api import Sent
from broker.embedded.limits import Limits
from iotsphere import topics
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.waiting import until

pytestmark = pytest.mark.integration
READINGS, EVENTS, STATUS = topics.telemetry("d"), topics.event("d"), topics.status("d")
COMMANDS = topics.command_request_filter("d")
NO_MOSQUITTO = shutil.which("mosquitto_pub") is None and os.environ.get("REQUIRE_MOSQUITTO") != "1"
needs_mosquitto = pytest.mark.skipif(NO_MOSQUITTO, reason="no mosquitto_pub: install Debian's package mosquitto-clients")
needs_aws = pytest.mark.skipif(importlib.util.find_spec("awsiot") is None, reason="no awsiotsdk: install that Python package")


def _has_node_mqtt() -> bool:
    try:
        return subprocess.run(["node", "-e", "require('mqtt')"], capture_output=True, check=False, timeout=20).returncode == 0
    except OSError:
        return False


needs_node = pytest.mark.skipif(not _has_node_mqtt(), reason="no mqtt for node: npm install mqtt, and NODE_PATH to it")


async def command(it: TestBroker, number: int, payload: bytes = b"x") -> Sent:
    return (await it.broker.send("d", topics.command_request("d", str(number)), payload)).sent


# ── mosquitto ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Program:
    """mosquitto_pub or mosquitto_sub as a client of the test's broker."""

    def __init__(self, it: TestBroker, program: str, name: str, *arguments: str) -> None:
        d = it.pki.directory
        files = ["--cafile", str(it.pki.authority.ca_file), "--cert", f"{d}/{name}.crt", "--key", f"{d}/{name}.key"]
        self._command = [program, "-h", "localhost", "-p", str(it.port), *files, "-i", name, *arguments]
        self._process: asyncio.subprocess.Process

    async def start(self) -> "Program":
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        return self

    async def output(self, timeout: float = 10.0) -> str:
        """What it has printed when it ends by itself."""
        out, _ = await asyncio.wait_for(self._process.communicate(), timeout)
        return out.decode()

    async def run(self) -> str:
        return await (await self.start()).output()

    def kill(self) -> None:
        self._process.kill()


@needs_mosquitto
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto_pub_and_sub_at_every_quality(pki: Pki, qos: str) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.service("watcher")
        watching = await Program(it, "mosquitto_sub", "watcher", "-t", "iot/v1/+/telemetry", "-q", qos, "-C", "3", "-v").start()
        await until(lambda: it.broker.fan_out.filters == 1)
        for payload in ("1", "2", "3"):
            assert await Program(it, "mosquitto_pub", "d", "-t", READINGS, "-q", qos, "-m", payload).run() == ""
        assert await watching.output() == "".join(f"{READINGS} {n}\n" for n in (1, 2, 3))
        assert [d.payload for d in it.ingest.committed] == [b"1", b"2", b"3"]


@needs_mosquitto
async def test_mosquitto_retained_will_and_a_kept_session(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.service("watcher")
        keep = ["-c", "-q", "1", "-t", "#", "-C", "1", "-v"]
        await Program(it, "mosquitto_pub", "d", "-t", EVENTS, "-q", "1", "-r", "-m", "kept").run()
        assert await Program(it, "mosquitto_sub", "watcher", *keep).run() == f"{EVENTS} kept\n"
        will = ["--will-topic", STATUS, "--will-payload", "gone", "--will-qos", "1"]
        dying = await Program(it, "mosquitto_sub", "d", "-t", COMMANDS, "-q", "1", *will).start()
        await until(lambda: it.listener.subscribed[-1:] == [COMMANDS])
        assert await command(it, 1) is Sent.QUEUED
        dying.kill()
        await until(lambda: [d.payload for d in it.ingest.committed] == [b"kept", b"gone"])
        assert await Program(it, "mosquitto_sub", "watcher", *keep, "-R").run() == f"{STATUS} gone\n"


@needs_mosquitto
async def test_mosquitto_is_told_what_is_refused(pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        it.device("e")
        new = await Program(it, "mosquitto_pub", "d", "-V", "mqttv5", "-t", READINGS, "-m", "x").run()
        assert "unsupported protocol version" in new.lower()
        assert "denied" in await Program(it, "mosquitto_sub", "d", "-t", "iot/v1/e/#", "-C", "1").run()
        assert await Program(it, "mosquitto_pub", "d", "-t", topics.telemetry("e"), "-q", "1", "-m", "x").run() == ""
        assert [reason for _, category, reason, _ in it.listener.refused if category == "acl"][-1] == "the topic belongs to e"


# ── paho ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Paho:
    """paho as its manual shows it."""

    def __init__(self, it: TestBroker, name: str, transport: Literal["tcp", "websockets"]) -> None:
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, name, clean_session=False, protocol=paho.MQTTv311, transport=transport
        )
        self.client.tls_set_context(it.pki.client(name))
        self.client.username_pw_set("somebody", "something")
        self.client.will_set(STATUS, "gone", 2)
        self.present: list[bool] = []
        self.messages: list[tuple[str, bytes, int]] = []
        self.client.on_connect = lambda c, u, flags, reason, p: self.present.append(flags.session_present)
        self.client.on_message = lambda c, u, m: self.messages.append((m.topic, m.payload, m.qos))
        self.client.reconnect_delay_set(1, 1)
        self.client.connect_async("127.0.0.1", it.port if transport == "tcp" else it.wss_port, keepalive=1200)


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_paho_keeps_its_session_and_speaks_qos_2_both_ways(pki: Pki, transport: Literal["tcp", "websockets"]) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        client = Paho(it, "d", transport)
        client.client.loop_start()
        await until(lambda: client.present == [False])
        client.client.subscribe([(COMMANDS, 2), (READINGS, 2)])
        await until(lambda: len(it.listener.subscribed) == 2)
        client.client.publish(READINGS, b"{}", 2)
        await until(lambda: client.messages == [(READINGS, b"{}", 2)])
        await it.broker.kick("d", "network")
        await until(lambda: client.present == [False, True], 10)
        assert [d.payload for d in it.ingest.committed] == [b"{}", b"gone"]
        result = await it.broker.send("d", topics.command_request("d", "1"), b"now", qos=2, message="c1")
        assert result.sent is Sent.QUEUED
        await until(lambda: client.messages[-1] == (topics.command_request("d", "1"), b"now", 2))
        await until(lambda: it.listener.delivered == [("d", 2, "c1")])
        client.client.disconnect()
        await it.gone(2)
        client.client.loop_stop()
        assert len(it.ingest.committed) == 2


# ── AWS ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _done(future: "Future[Any]") -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(future), 15)


@needs_aws
async def test_the_sdk_of_aws_needs_neither_a_new_subscription_nor_a_new_connection_after_a_refusal(pki: Pki) -> None:
    from awscrt import mqtt
    from awsiot import mqtt_connection_builder

    heard: list[bytes] = []
    resumed: list[bool] = []
    async with running_broker(pki, Limits()) as it:
        it.device("d")
        connection = mqtt_connection_builder.mtls_from_path(
            endpoint="127.0.0.1",  # SNI for an IP address
            port=it.port,
            cert_filepath=str(pki.directory / "d.crt"),
            pri_key_filepath=str(pki.directory / "d.key"),
            ca_filepath=str(pki.authority.ca_file),
            client_id="d",
            clean_session=False,
            keep_alive_secs=1200,
            reconnect_min_timeout_secs=1,
            reconnect_max_timeout_secs=1,
            on_connection_resumed=lambda connection, return_code, session_present, **_: resumed.append(session_present),
        )
        assert (await _done(connection.connect()))["session_present"] is False
        subscribed, _ = connection.subscribe(COMMANDS, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: heard.append(payload))
        assert (await _done(subscribed))["qos"] == mqtt.QoS.AT_LEAST_ONCE
        for topic in (topics.telemetry("other"), READINGS):
            published, _ = connection.publish(topic, b"{}", mqtt.QoS.AT_LEAST_ONCE)
            await _done(published)
        assert [reason for _, _, reason, _ in it.listener.refused] == ["the topic belongs to other"]
        assert len(it.ingest.committed) == 1
        assert len(it.listener.presence) == 1
        await it.broker.kick("d", "kicked")
        await until(lambda: resumed == [True], 15)
        assert await command(it, 1, b"heard") is Sent.QUEUED
        await until(lambda: heard == [b"heard"])
        await _done(connection.disconnect())


# ── Node ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

NODE = """
const mqtt = require('mqtt'), fs = require('fs'), o = JSON.parse(process.argv[1])
const client = mqtt.connect({host: 'localhost', port: o.port, protocol: o.protocol, path: '/mqtt',
  protocolVersion: 4, clientId: 'd', clean: false,
  ca: fs.readFileSync(o.ca), cert: fs.readFileSync(o.cert), key: fs.readFileSync(o.key)})
client.on('message', (topic, payload) => client.end(false, () => console.log(topic, payload.toString())))
client.on('connect', () => client.subscribe(o.commands, {qos: 2}, () => client.publish(o.readings, '{}', {qos: 2})))
"""


@needs_node
@pytest.mark.parametrize("protocol", ["mqtts", "wss"])
async def test_node(pki: Pki, protocol: str) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        options = {
            "port": it.port if protocol == "mqtts" else it.wss_port, "protocol": protocol, "ca": str(pki.authority.ca_file),
            "cert": f"{pki.directory}/d.crt", "key": f"{pki.directory}/d.key",
            "commands": COMMANDS, "readings": READINGS,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec("node", "-e", NODE, json.dumps(options), stdout=asyncio.subprocess.PIPE)
        await until(lambda: len(it.ingest.committed) == 1, 15)
        await it.broker.send("d", topics.command_request("d", "1"), b"now", qos=2)
        out, _ = await asyncio.wait_for(process.communicate(), 15)
        assert out.decode() == f"{topics.command_request('d', '1')} now\n"
        assert it.listener.presence[-1].reason == "clean"
