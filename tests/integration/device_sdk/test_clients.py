"""Both clients against the embedded broker over mutual TLS."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from broker.api import Lane, Sent
from device_sdk import IN_MEMORY, CommandFailed, CommandRejected, Limits
from device_sdk.reconnect import ELSEWHERE, TWICE
from iotsphere import topics
from iotsphere.errors import Misconfigured, Refused
from tests.support.brokers import TestBroker, running_broker
from tests.support.pki import Pki
from tests.support.sdk_drivers import Driver, Make, write_connection
from tests.support.servers import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.integration


@asynccontextmanager
async def online(make: Make, pki: Pki, **options: Any) -> AsyncIterator[tuple[TestBroker, Driver]]:
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(pki, "d", it.port)
        driver = make(pki, "d", **options)
        await driver.connect()
        try:
            yield it, driver
        finally:
            await driver.close()
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("device-")] == []


def bodies(it: TestBroker, tail: str) -> list[Any]:
    return [json.loads(d.payload) for d in it.ingest.committed if d.topic == f"iot/v1/d/{tail}" and d.payload]


async def tell(it: TestBroker, topic: str, body: dict[str, Any]) -> None:
    result = await it.broker.send("d", topic, json.dumps(body).encode())
    assert result.sent is Sent.QUEUED


async def command(it: TestBroker, id: str, name: str, params: dict[str, Any], expires_in: float = 10) -> None:
    now = int(time.time() * 1000)
    body = {"id": id, "name": name, "params": params, "issued_at": now, "expires_at": now + int(expires_in * 1000)}
    await tell(it, topics.command_request("d", id), body)


async def test_a_reading_is_acknowledged_after_its_commit_and_not_before(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        it.ingest.gates[Lane.TELEMETRY].clear()
        ticket = await driver.publish({"water": 51.5})
        await asyncio.sleep(0.2)
        assert not ticket.done
        assert driver.device.backlog == 1
        it.ingest.gates[Lane.TELEMETRY].set()
        assert await driver.acknowledged(ticket)
        [body] = bodies(it, "telemetry")
        assert body["values"] == {"water": 51.5}
        assert abs(body["ts"] / 1000 - time.time()) < 10
        assert driver.device.backlog == 0


async def test_events_status_and_reports_arrive(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        assert await driver.acknowledged(await driver.event("door", "warning", {"open": True}))
        assert await driver.acknowledged(await driver.status("all is well"))
        await tell(it, topics.shadow_reply("d", "get", "rejected"), {"code": 404, "message": "no shadow"})
        assert await driver.acknowledged(driver.device.report({"mode": "eco"}))
        assert bodies(it, "shadow/update") == [{"state": {"reported": {"mode": "eco"}}}]
        assert bodies(it, "event")[0]["data"] == {"open": True}
        assert [d.payload for d in it.ingest.committed if d.topic.endswith("status")] == [b"all is well"]


async def test_a_command_goes_round(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        driver.device.on_command("double")(lambda params: {"value": 2 * params["value"]})
        await command(it, "c1", "double", {"value": 21})
        await until(lambda: bodies(it, "command/c1/response"))
        assert bodies(it, "command/c1/response") == [{"status": "succeeded", "result": {"value": 42}}]


async def test_each_way_to_fail_has_its_own_answer(make: Make, pki: Pki) -> None:
    def stuck(params: dict[str, Any]) -> None:
        raise CommandFailed("stuck", "the valve does not move")

    def never(params: dict[str, Any]) -> None:
        raise CommandRejected("locked")

    def broken(params: dict[str, Any]) -> None:
        raise KeyError("nothing")

    async with online(make, pki) as (it, driver):
        for handler in (stuck, never, broken):
            driver.device.on_command(handler.__name__)(handler)
        for name in ("stuck", "never", "broken", "unheard"):
            await command(it, name, name, {})
        await until(lambda: bodies(it, "command/unheard/response"))
        found = {name: bodies(it, f"command/{name}/response")[0] for name in ("stuck", "never", "broken", "unheard")}
        assert {name: (body["status"], body["reason"]["code"]) for name, body in found.items()} == {
            "stuck": ("failed", "stuck"),
            "never": ("rejected", "locked"),
            "broken": ("failed", "exception"),
            "unheard": ("rejected", "unknown_command"),
        }


async def test_a_wish_is_obeyed_and_what_the_handler_returns_is_reported(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        seen: list[dict[str, Any]] = []
        driver.device.on_desired(lambda delta: seen.append(delta) or delta)  # type: ignore[func-returns-value]
        await until(lambda: any(d.topic.endswith("shadow/get") for d in it.ingest.committed))
        state = {"desired": {"target": 60}, "delta": {"target": 60}}
        await tell(it, topics.shadow_reply("d", "get", "accepted"), {"version": 3, "timestamp": 1, "state": state})
        await tell(it, topics.shadow_reply("d", "update", "delta"), {"version": 3, "timestamp": 1, "state": {"target": 60}})
        await until(lambda: bodies(it, "shadow/update"))
        await tell(it, topics.shadow_reply("d", "update", "delta"), {"version": 5, "timestamp": 1, "state": {"target": 65}})
        await until(lambda: len(bodies(it, "shadow/update")) == 2)
        assert seen == [{"target": 60}, {"target": 65}]
        assert [b["state"]["reported"] for b in bodies(it, "shadow/update")] == [{"target": 60}, {"target": 65}]
        assert driver.device.desired == {"target": 65}
        assert driver.device.reported == {"target": 65}


async def test_it_comes_back_by_itself_and_sends_what_waited(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        first = await driver.publish({"x": 1})
        assert await driver.acknowledged(first)
        it.ingest.gates[Lane.TELEMETRY].clear()
        waiting = await driver.publish({"x": 2})
        await asyncio.sleep(0.1)
        await it.broker.kick("d", "kicked")
        await until(lambda: not driver.device.connected)
        assert driver.device.last_error
        away = await driver.publish({"x": 3})
        it.ingest.gates[Lane.TELEMETRY].set()
        assert await driver.acknowledged(waiting)
        assert await driver.acknowledged(away)
        assert driver.device.connected
        gets = [d for d in it.ingest.committed if d.topic.endswith("shadow/get")]
        assert len(gets) == 2
        assert {b["values"]["x"] for b in bodies(it, "telemetry")} == {1, 2, 3}


async def test_a_device_that_runs_twice_is_told_what_is_likely_wrong(make: Make, pki: Pki) -> None:
    haste = {"first_retry_s": 0.1, "longest_retry_s": 0.3}
    async with online(make, pki, **haste) as (_, driver):
        twin = make(pki, "d", outbox=IN_MEMORY, **haste)
        await twin.connect()
        try:
            await until(lambda: TWICE in driver.device.last_error and TWICE in twin.device.last_error, 20)
            await until(lambda: driver.device.last_error.startswith(ELSEWHERE), 20)
        finally:
            await twin.close(0.0)


async def test_a_burst_over_the_window_arrives_complete_and_in_order(make: Make, pki: Pki) -> None:
    async with online(make, pki) as (it, driver):
        tickets = [await driver.publish({"x": n}) for n in range(300)]
        assert await driver.acknowledged(tickets[-1])
        await until(lambda: driver.device.backlog == 0)
        assert [b["values"]["x"] for b in bodies(it, "telemetry")] == list(range(300))


async def test_what_does_not_fit_is_dropped_counted_and_told(make: Make, pki: Pki) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(pki, "d", it.port)
        driver = make(pki, "d", limits=Limits(messages=10))
        tickets = [await driver.publish({"x": n}) for n in range(25)]
        assert driver.device.dropped == 15
        await driver.connect()
        assert await driver.acknowledged(tickets[-1])
        assert not await driver.acknowledged(tickets[0])
        assert bodies(it, "telemetry")[0]["dropped"] == [1, 15]
        await driver.close()


async def test_a_broker_that_is_away_is_no_error_and_is_found_later(make: Make, pki: Pki) -> None:
    port = free_port()
    write_connection(pki, "d", port)
    driver = make(pki, "d")
    await driver.connect(0.3)
    try:
        assert not driver.device.connected
        await until(lambda: driver.device.last_error)
    finally:
        await driver.close()


@pytest.mark.parametrize("after", [0.0, 0.002, 0.005, 0.01])
async def test_closing_in_the_middle_of_connecting_leaves_no_session(make: Make, pki: Pki, after: float) -> None:
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(pki, "d", it.port)
        driver = make(pki, "d")
        await driver.connect(after)
        await driver.close(0.0)
        await asyncio.sleep(0.1)
        assert it.broker.connected() == {}


async def test_a_refusal_is_raised(make: Make, pki: Pki) -> None:
    async with running_broker(pki) as it:
        write_connection(pki, "stranger", it.port)
        driver = make(pki, "stranger")
        with pytest.raises(Refused, match="refused the connection"):
            await driver.connect()


async def test_a_broker_of_another_authority_is_not_trusted(
    make: Make, pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Pki.create(tmp_path_factory.mktemp("other"))
    other.issue("d")
    async with running_broker(pki) as it:
        it.device("d")
        write_connection(other, "d", it.port)
        driver = make(other, "d")
        with pytest.raises(Refused, match="certificate"):
            await driver.connect()


async def test_a_missing_file_is_named(make: Make, pki: Pki) -> None:
    with pytest.raises(Misconfigured, match=r"nobody\.json"):
        make(pki, "nobody")
    write_connection(pki, "d", 1)
    (pki.directory / "d.key").unlink()
    with pytest.raises(Misconfigured, match=r"d\.key"):
        await make(pki, "d").connect()
