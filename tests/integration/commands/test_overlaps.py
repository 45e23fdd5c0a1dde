"""What overlaps since delivery and the broker have loops of their own: sending, noting, answers, and who listens."""

import asyncio
from typing import Any

import pytest

from tests.integration.commands.parts import Parts
from tests.support.waiting import until

pytestmark = pytest.mark.integration


async def answered_only_when(parts: Parts, goes_on: asyncio.Event, command: str) -> None:
    """The answer to a command waits for what is held up until then."""
    answering = asyncio.create_task(parts.answer(command))
    await asyncio.sleep(0.1)
    assert not answering.done()
    goes_on.set()
    await answering


async def test_an_answer_that_comes_before_sending_has_returned_waits_for_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.connect()
    send, goes_on = parts.sender.send, asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        result = await send(*arguments, **options)
        await goes_on.wait()
        return result

    monkeypatch.setattr(parts.sender, "send", slow)
    made = await parts.fire()
    await parts.requests()
    await answered_only_when(parts, goes_on, made.id)
    assert await parts.life(made.id) == ["queued", "sent", "succeeded"]
    assert parts.delivery._settling == {}


async def test_an_answer_that_comes_while_the_sending_is_noted_waits_for_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.connect()
    advance, noting, goes_on = parts.delivery._table.advance, asyncio.Event(), asyncio.Event()

    async def slow(steps: Any, **options: Any) -> Any:
        if steps[0].target is None:
            noting.set()
            await goes_on.wait()
        return await advance(steps, **options)

    monkeypatch.setattr(parts.delivery._table, "advance", slow)
    made = await parts.fire()
    await asyncio.wait_for(noting.wait(), 10)
    await answered_only_when(parts, goes_on, made.id)
    assert await parts.life(made.id) == ["queued", "sent", "succeeded"]
    assert parts.delivery._settling == {}


async def test_one_that_is_noted_in_a_session_while_it_is_sent_in_the_next_settles(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.connect()
    advance, noting, goes_on = parts.delivery._table.advance, asyncio.Event(), asyncio.Event()

    async def slow(steps: Any, **options: Any) -> Any:
        if steps[0].target is None and not noting.is_set():
            noting.set()
            await goes_on.wait()
        return await advance(steps, **options)

    monkeypatch.setattr(parts.delivery._table, "advance", slow)
    made, other = await parts.fire(timeout_s=60), await parts.fire("d2", timeout_s=60)
    parts.connect("d2")
    await asyncio.wait_for(noting.wait(), 10)
    parts.connect(session=2)
    await until(lambda: sum(m.body["id"] == made.id for m in parts.sender.sent) == 2)
    goes_on.set()
    await asyncio.wait_for(asyncio.gather(parts.answer(made.id), parts.answer(other.id, device="d2")), 10)
    assert parts.delivery._settling == {}
    assert (await parts.life(made.id))[-1] == "succeeded"


async def test_who_subscribes_again_while_it_was_not_there_is_not_forgotten(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.connect()
    send = parts.sender.send

    async def subscribes_behind_it(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        parts.sender.disconnect("d1")
        result = await send(*arguments, **options)
        parts.connect()  # the same session
        return result

    monkeypatch.setattr(parts.sender, "send", subscribes_behind_it)
    made = await parts.fire(timeout_s=60)
    assert (await parts.requests())[0].body["id"] == made.id


async def test_a_defect_with_one_command_keeps_no_other(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await parts.give("blink"), await parts.give("blink")
    send = parts.sender.send

    async def fails_once(*arguments: Any, **options: Any) -> Any:
        if options["message"].endswith(first.id):
            monkeypatch.undo()
            raise LookupError("a defect")
        return await send(*arguments, **options)

    monkeypatch.setattr(parts.sender, "send", fails_once)
    parts.connect()
    assert {m.body["id"] for m in await parts.requests(2)} == {first.id, second.id}
