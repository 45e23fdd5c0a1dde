"""Whose turn it is: lanes, heads that do not answer, sessions that end."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from commands.command_table import AT_ONCE
from commands.lifecycle import MAX_ATTEMPTS
from commands.view import CommandView
from iotsphere.infra.postgres import Pool
from tests.integration.commands.parts import Parts
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def parked(parts: Parts, command: CommandView) -> CommandView:
    async def is_so() -> bool:
        return (await parts.seen(command.id)).parked

    await until(is_so, 20.0)
    return await parts.seen(command.id)


async def quiet(parts: Parts) -> list[str]:
    """What has been sent, once whatever is due is out."""
    await parts.delivery.sweep()
    await asyncio.sleep(0.1)
    return [message.body["id"] for message in parts.sender.sent]


async def test_a_dead_head_is_parked_and_the_lane_goes_on(parts: Parts) -> None:
    parts.connect()
    dead, alive = await parts.give("stop", timeout_s=60), await parts.fire(timeout_s=60)
    requests = await parts.requests(2)
    assert [r.body["id"] for r in requests] == [dead.id, alive.id]
    view = await parked(parts, dead)
    assert (view.status in ("sent", "delivered"), view.final) == (True, False)
    await until(lambda: any(event.id == dead.id and event.parked for event in parts.events), 10.0)
    await parts.answer(dead.id)
    view = await parts.seen(dead.id)
    assert (view.status, view.parked, view.late) == ("succeeded", False, False)


async def test_a_parked_one_ends_with_its_time(parts: Parts) -> None:
    parts.connect()
    dead = await parts.give("stop", timeout_s=2.5)
    await parked(parts, dead)
    assert (await parts.service.wait(dead.id, 20)).status == "timed_out"


async def test_one_in_progress_keeps_its_lane(parts: Parts) -> None:
    parts.connect()
    busy = await parts.give("stop", timeout_s=60)
    await parts.requests()
    await parts.answer(busy.id, "in_progress")
    await parts.fire(timeout_s=60)
    await asyncio.sleep(0.3)
    assert await quiet(parts) == [busy.id]
    assert not (await parts.seen(busy.id)).parked
    await parts.answer(busy.id)
    await parts.requests(2)


async def test_a_parked_one_comes_again_in_the_next_session(parts: Parts) -> None:
    parts.connect(session=1)
    dead, alive = await parts.give("stop", timeout_s=60), await parts.fire(timeout_s=60)
    await parts.requests(2)
    parts.connect(session=2)
    requests = await parts.requests(4)
    assert [r.body["id"] for r in requests] == [dead.id, alive.id, dead.id, alive.id]
    assert (await parts.seen(dead.id)).attempts == 2


async def test_after_some_sessions_it_is_not_sent_any_more(parts: Parts) -> None:
    dead = await parts.give("stop", timeout_s=60)
    for session in range(1, MAX_ATTEMPTS + 1):
        parts.connect(session=session)
        await parts.requests(session)
    parts.connect(session=MAX_ATTEMPTS + 1)
    alive = await parts.fire(timeout_s=60)
    assert [r.body["id"] for r in await parts.requests(MAX_ATTEMPTS + 1)] == [dead.id] * MAX_ATTEMPTS + [alive.id]
    assert (await parked(parts, dead)).attempts == MAX_ATTEMPTS
    await parts.answer(dead.id)
    assert (await parts.seen(dead.id)).status == "succeeded"


async def test_what_did_not_go_out_was_no_attempt(parts: Parts) -> None:
    parts.connect()
    parts.sender.full.add("d1")
    made = await parts.fire(timeout_s=60)
    for _ in range(MAX_ATTEMPTS + 1):
        parts.delivery.wake("d1")
        await asyncio.sleep(0.03)
    parts.sender.full.clear()
    await parts.requests()
    assert (await parts.seen(made.id)).attempts == 1


async def test_parallel_ones_wait_for_nobody_and_nobody_for_them(parts: Parts) -> None:
    parts.connect()
    blocking = await parts.fire(timeout_s=60)
    waiting = await parts.fire(timeout_s=60)
    blinks = [(await parts.give("blink")).id for _ in range(AT_ONCE + 2)]
    assert sorted(r.body["id"] for r in await parts.requests(AT_ONCE + 3)) == sorted([blocking.id, *blinks])
    await parts.answer(blocking.id)
    assert (await parts.requests(AT_ONCE + 4))[-1].body["id"] == waiting.id


async def test_many_parallel_ones_that_waited_all_go_out(parts: Parts) -> None:
    blinks = [(await parts.give("blink")).id for _ in range(2 * AT_ONCE + 1)]
    parts.connect()
    assert sorted(r.body["id"] for r in await parts.requests(len(blinks))) == sorted(blinks)
    assert len(await quiet(parts)) == len(blinks)


async def test_a_puback_counts_in_its_own_session_only(parts: Parts) -> None:
    parts.connect(session=1)
    made = await parts.fire(timeout_s=60)
    [first] = await parts.requests()
    parts.connect(session=2)
    second = (await parts.requests(2))[1]
    parts.puback(first, 1)  # read from the socket of the former session after the new one had begun
    await asyncio.sleep(0.2)
    assert "delivered" not in await parts.life(made.id)
    parts.puback(second, 2)

    async def delivered() -> bool:
        return (await parts.seen(made.id)).status == "delivered"

    await until(delivered, 10.0)
    steps = [(t.status, t.session) for t in (await parts.seen(made.id)).transitions]
    assert steps[0] == ("queued", None)
    assert steps[-2:] == [("sent", 2), ("delivered", 2)]


async def test_what_may_have_been_sent_does_not_claim_that_it_was_not(parts: Parts, pool: Pool) -> None:
    made = await parts.fire(timeout_s=0.3)
    await pool.execute("update ops.commands set attempts = 1 where id = $1", made.id)  # claimed, then killed; then offline
    assert (await parts.service.wait(made.id, 20)).status == "timed_out"


async def test_a_new_owner_s_device_hears_nothing_of_the_former_one(parts: Parts, pool: Pool) -> None:
    former = await parts.fire(timeout_s=60)
    await pool.execute("update registry.devices set organization_id = 'demo' where id = 'd1'")
    parts.connect()
    mine = await parts.service.create("d1", "kiln", "demo", "fire", {"to": 900}, actor="dora", timeout_s=60)
    await parts.requests()
    assert await quiet(parts) == [mine.id]
    assert (await parts.seen(former.id)).status == "queued"


@pytest.mark.parametrize("status", ["disabled", "retired"])
async def test_a_device_that_takes_no_commands_gets_none(parts: Parts, pool: Pool, status: str) -> None:
    await parts.fire(timeout_s=60)
    await pool.execute("update registry.devices set status = $1 where id = 'd1'", status)
    parts.connect()
    assert await quiet(parts) == []


async def test_what_came_in_the_moment_of_an_end_needs_no_sweep(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.connect()
    assert parts.delivery._sweeper is not None
    parts.delivery._sweeper.cancel()
    first, second = await parts.fire(timeout_s=60), await parts.fire(timeout_s=60)
    await parts.requests()
    advance = parts.delivery._table.advance

    async def of_a_moment_ago(*arguments: Any, **options: Any) -> Any:
        return [replace(outcome, others=False) for outcome in await advance(*arguments, **options)]

    monkeypatch.setattr(parts.delivery._table, "advance", of_a_moment_ago)
    await parts.answer(first.id)
    assert (await parts.requests(2))[1].body["id"] == second.id
