"""Commands as the API sees them."""

import asyncio
import time
from typing import Any

import pytest

from commands.command_table import MAX_OPEN
from commands.outcome import MAX_CHARACTERS
from commands.service import CommandService
from iotsphere.bus import MemoryBus
from iotsphere.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from iotsphere.infra.postgres import make_pool
from iotsphere.signals import CLOUD_DONE, MemorySignals
from tests.integration.commands.parts import KILN, Parts
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def test_a_command_is_committed_and_told(parts: Parts) -> None:
    made = await parts.fire()
    assert await parts.service.get(made.id) == made
    assert (made.status, made.params, made.actor, made.organization) == ("queued", {"to": 900, "slow": False}, "ann", "default")
    assert [(e.id, e.status) for e in parts.events] == [(made.id, "queued")]
    assert await parts.service.get("none") is None


@pytest.mark.parametrize(
    ("name", "params", "options", "field"),
    [
        ("melt", {}, {}, "name"),
        ("fire", {}, {}, "params.to"),
        ("fire", {"to": 1301}, {}, "params.to"),
        ("fire", {"to": 1, "fast": True}, {}, "params.fast"),
        ("stop", {}, {"timeout_s": 0}, "timeout"),
        ("stop", {}, {"timeout_s": 1e9}, "timeout"),
    ],
)
async def test_what_is_wrong_is_named(
    parts: Parts, name: str, params: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as wrong:
        await parts.service.create("d1", "kiln", "default", name, params, actor="ann", **options)
    assert wrong.value.field == field


async def test_an_unknown_device_is_not_found(parts: Parts) -> None:
    with pytest.raises(NotFound):
        await parts.fire("nobody")


async def test_the_same_key_is_the_same_command(parts: Parts, pool: Any) -> None:
    made = await asyncio.gather(*(parts.fire(idempotency_key="k") for _ in range(10)))
    assert len({view.id for view in made}) == 1
    assert await pool.fetchval("select count(*) from ops.commands") == 1
    with pytest.raises(Conflict):
        await parts.service.create("d1", "kiln", "default", "fire", {"to": 901}, actor="ann", idempotency_key="k")
    for other in ({"device": "d2"}, {"timeout_s": 11}):
        with pytest.raises(Conflict):
            await parts.fire(**other, idempotency_key="k")
    assert (await parts.fire(timeout_s=10, idempotency_key="k")).id == made[0].id  # what the type says anyway


async def test_the_line_of_a_device_is_bounded(parts: Parts) -> None:
    for _ in range(MAX_OPEN):
        await parts.fire()
    with pytest.raises(Conflict, match="100 commands of d1 are not final"):
        await parts.fire()
    await parts.fire("d2")


async def test_list_is_newest_first(parts: Parts) -> None:
    ids = [(await parts.fire()).id for _ in range(5)]
    await parts.fire("d2")
    found, following = await parts.service.page("d1", "default")
    assert ([view.id for view in found], following) == (ids[::-1], None)


async def test_list_goes_on_where_the_page_before_ended(parts: Parts) -> None:
    ids = [(await parts.fire()).id for _ in range(5)]
    first, after_two = await parts.service.page("d1", "default", 2)
    newer = (await parts.fire()).id
    second, after_four = await parts.service.page("d1", "default", 2, cursor=after_two or "")
    last, end = await parts.service.page("d1", "default", 2, cursor=after_four or "")
    assert [view.id for view in (*first, *second, *last)] == ids[::-1]
    assert newer not in {view.id for view in (*second, *last)}
    assert end is None
    for nonsense in ("x", "zz-1", "f" * 40 + "-1"):
        with pytest.raises(InvalidInput) as wrong:
            await parts.service.page("d1", "default", cursor=nonsense)
        assert wrong.value.field == "cursor"


async def test_list_of_some_states_and_of_one_owner(parts: Parts) -> None:
    kept, gone = (await parts.fire()).id, (await parts.fire()).id
    await parts.service.cancel(gone, "bob")
    for statuses, ids in [(["cancelled"], [gone]), (["queued", "sent"], [kept]), (["queued", "cancelled"], [gone, kept])]:
        assert [view.id for view in (await parts.service.page("d1", "default", statuses=statuses))[0]] == ids
    assert await parts.service.page("d1", "demo") == ([], None)


async def test_wait_returns_with_the_answer(parts: Parts) -> None:
    parts.connect()
    made = await parts.fire()
    waiting = asyncio.create_task(parts.service.wait(made.id, 5))
    await parts.requests()
    await parts.answer(made.id)
    began = time.perf_counter()
    assert (await waiting).status == "succeeded"
    assert time.perf_counter() - began < 0.5
    assert (await parts.service.wait(made.id, 5)).status == "succeeded"
    assert parts.service._waiters._waiting == {}


@pytest.mark.parametrize("end", ["succeeded", "failed", "timed_out"])
async def test_what_is_told_of_an_end_is_what_would_be_read(parts: Parts, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    parts.connect()
    made = await parts.fire(timeout_s=1.0 if end == "timed_out" else 60.0)
    waiting = asyncio.create_task(parts.service.wait(made.id, 20))
    await parts.requests()
    await until(lambda: _is(parts, made.id, "sent"))
    get, reads = parts.service._reads.get, []
    monkeypatch.setattr(parts.service._reads, "get", lambda command_id: reads.append(command_id) or get(command_id))
    if end != "timed_out":
        await parts.answer(made.id, end, reason={"code": "C", "text": "why"}, result={"n": [1.5, None]})
    view = await waiting
    assert (view.status, len(view.transitions)) == (end, 3)
    assert len(reads) == 0 or end == "timed_out"  # it looked now and then
    assert view == await get(made.id)


async def test_of_an_end_that_is_too_large_only_the_name_is_told(parts: Parts) -> None:
    parts.connect()
    heard: list[str] = []
    parts.signals.on(CLOUD_DONE, heard.append)
    made = await parts.fire()
    waiting = asyncio.create_task(parts.service.wait(made.id, 5))
    await parts.requests()
    await parts.answer(made.id, result={"text": "x" * MAX_CHARACTERS})
    assert (await waiting).result == {"text": "x" * MAX_CHARACTERS}
    assert heard == [made.id]


async def test_a_signal_of_another_release_is_no_end(parts: Parts) -> None:
    parts.connect()
    made = await parts.fire()
    waiting = asyncio.create_task(parts.service.wait(made.id, 5))
    await asyncio.sleep(0.05)
    await parts.signals.send(CLOUD_DONE, f"{made.id} {{")
    await parts.requests()
    await parts.answer(made.id)
    assert (await waiting).status == "succeeded"


async def test_wait_tells_at_its_deadline_what_there_is(parts: Parts) -> None:
    made = await parts.fire()
    began = time.perf_counter()
    assert (await parts.service.wait(made.id, 0.2)).status == "queued"
    assert 0.2 <= time.perf_counter() - began < 1
    with pytest.raises(NotFound):
        await parts.service.wait("none", 0.1)


async def test_wait_finds_the_answer_although_the_signal_was_lost(parts: Parts) -> None:
    parts.connect()
    parts.signals._handlers[CLOUD_DONE].clear()
    made = await parts.fire()
    await parts.requests()
    waiting = asyncio.create_task(parts.service.wait(made.id, 5))
    await asyncio.sleep(0.1)
    await parts.answer(made.id)
    assert (await asyncio.wait_for(waiting, 2)).status == "succeeded"


async def test_cancel_ends_a_command_and_lets_the_next_one_go(parts: Parts) -> None:
    made = await parts.fire(timeout_s=60)
    cancelled = await parts.service.cancel(made.id, "bob")
    assert (cancelled.status, cancelled.transitions[-1].actor) == ("cancelled", "bob")
    parts.connect()
    await asyncio.sleep(0.1)
    assert parts.sender.sent == []
    with pytest.raises(Conflict):
        await parts.service.cancel(made.id, "bob")
    with pytest.raises(NotFound):
        await parts.service.cancel("none", "bob")


async def test_the_life_of_one_that_is_cancelled_tells_that_it_was_sent(parts: Parts) -> None:
    parts.connect()
    for number in range(1, 6):
        made = await parts.fire(timeout_s=60)
        await parts.requests(number)
        await parts.service.cancel(made.id, "bob")
        assert await parts.life(made.id) == ["queued", "sent", "cancelled"]


async def test_cancel_of_what_is_under_way(parts: Parts) -> None:
    parts.connect()
    first, second = await parts.fire(timeout_s=60), await parts.fire(timeout_s=60)
    await parts.requests()
    waiting = asyncio.create_task(parts.service.wait(first.id, 5))
    await asyncio.sleep(0.05)
    await parts.service.cancel(first.id, "bob")
    assert (await waiting).status == "cancelled"
    assert (await parts.requests(2))[1].body["id"] == second.id
    await parts.answer(first.id)
    assert len(parts.refused) == 1
    assert (await parts.life(first.id))[-1] == "cancelled"


async def test_an_open_one_can_be_cancelled_whatever_its_state(parts: Parts) -> None:
    ways: dict[str, tuple[str, ...]] = {
        "queued": (),
        "sent": ("sent",),
        "delivered": ("sent", "puback"),
        "in_progress": ("sent", "says"),
    }
    for number, (state, way) in enumerate(ways.items(), 1):
        if way:
            parts.connect(session=number)
        made = await parts.fire(timeout_s=60)
        if way:
            request = next(m for m in await parts.requests(number - 1) if m.body["id"] == made.id)
        if "puback" in way:
            parts.puback(request, number)
        if "says" in way:
            await parts.answer(made.id, "in_progress")
        await until(lambda made=made, state=state: _is(parts, made.id, state), 10.0)  # type: ignore[misc]
        assert (await parts.service.cancel(made.id, "bob")).status == "cancelled"
        assert (await parts.life(made.id))[-2:] == [state, "cancelled"]
        if way:
            parts.sender.disconnect("d1")


async def _is(parts: Parts, command: str, state: str) -> bool:
    return (await parts.life(command))[-1] == state


@pytest.mark.parametrize("end", ["succeeded", "failed", "rejected", "expired", "timed_out", "cancelled"])
async def test_one_that_has_ended_cannot_be_cancelled(parts: Parts, end: str) -> None:
    made = await parts.fire(timeout_s={"expired": 0.1, "timed_out": 2.0}.get(end, 60.0))
    if end == "cancelled":
        await parts.service.cancel(made.id, "bob")
    elif end != "expired":
        parts.connect()
        await parts.requests()
        if end != "timed_out":
            await parts.answer(made.id, end)
    assert (await parts.service.wait(made.id, 20)).status == end
    with pytest.raises(Conflict, match=end):
        await parts.service.cancel(made.id, "bob")
    assert (await parts.life(made.id)).count("cancelled") == (end == "cancelled")


async def test_cancel_that_races_delivery_leaves_one_end_and_a_free_lane(parts: Parts) -> None:
    parts.connect()
    for _ in range(10):
        made = await parts.fire(timeout_s=60)
        await parts.service.cancel(made.id, "bob")  # it is about to be sent, or just was
        assert (await parts.life(made.id))[-1] == "cancelled"
    last = await parts.fire(timeout_s=60)
    await until(lambda: any(m.body["id"] == last.id for m in parts.sender.sent), 10.0)
    sent = [m.body["id"] for m in parts.sender.sent]
    assert len(sent) == len(set(sent))


async def test_cancel_and_answer_at_once_leave_one_end(parts: Parts) -> None:
    parts.connect()
    for _ in range(10):
        made = await parts.fire()
        await parts.requests(len(parts.sender.sent) + 1)
        results = await asyncio.gather(parts.service.cancel(made.id, "bob"), parts.answer(made.id), return_exceptions=True)
        life = await parts.life(made.id)
        assert len({"cancelled", "succeeded"} & set(life)) == 1
        assert isinstance(results[0], Conflict) == ("succeeded" in life)


async def test_an_absent_store_is_said_so(migrated_dsn: str) -> None:
    pool = await make_pool(migrated_dsn, name="test")
    service = CommandService(pool, MemorySignals(), MemoryBus(), {"kiln": KILN})
    await pool.close()
    with pytest.raises(StoreUnavailable):
        await service.create("d1", "kiln", "default", "fire", {"to": 1}, actor="ann")
    with pytest.raises(StoreUnavailable):
        await service.get("x")
