"""The life cycle as the database keeps it, for every writer: the full matrix, and a row for every step."""

import asyncio
import itertools
from typing import Any

import asyncpg
import pytest

from commands.lifecycle import TRANSITIONS, may_become
from iotsphere.infra.postgres import Pool
from tests.integration.commands.parts import Parts

pytestmark = pytest.mark.integration
STATES = sorted(TRANSITIONS)
MOVE = """
with moved as (update ops.commands set status = $2, transitions = transitions + 1 where id = $1 returning id, transitions)
insert into ops.command_transitions (command_id, n, status, actor) select id, transitions, $2, 'test' from moved
"""


def way_to(target: str) -> list[str]:
    """The shortest legal life that ends in a state."""
    ways: list[list[str]] = [["queued"]]
    for way in ways:
        if way[-1] == target:
            return way[1:]
        ways.extend([*way, following] for following in sorted(TRANSITIONS[way[-1]]) if following not in way)
    raise AssertionError(f"nothing leads to {target}")


async def lead(pool: Pool, command: str, *states: str) -> None:
    for state in states:
        await pool.execute(MOVE, command, state)


async def test_the_table_in_the_database_is_the_pure_one(pool: Pool) -> None:
    rows = await pool.fetch("select source, target from ops.command_lifecycle")
    assert {tuple(row) for row in rows} == {(source, target) for source in STATES for target in TRANSITIONS[source]}


@pytest.mark.parametrize("source", STATES)
async def test_exactly_the_legal_transitions_pass(parts: Parts, pool: Pool, source: str) -> None:
    for target in STATES:
        made = await parts.fire()
        await lead(pool, made.id, *way_to(source))
        if may_become(source, target):
            await lead(pool, made.id, target)
        else:
            with pytest.raises(asyncpg.CheckViolationError, match="cannot be"):
                await lead(pool, made.id, target)
        life = await parts.life(made.id)
        assert life[-1] == (target if may_become(source, target) else source)
        assert all(may_become(*pair) for pair in itertools.pairwise(life))


async def test_a_command_begins_as_queued(pool: Pool) -> None:
    for target in STATES:
        with pytest.raises(
            asyncpg.CheckViolationError, match="without a transition" if target == "queued" else "begins as queued"
        ):
            await pool.execute(
                "insert into ops.commands (id, device_id, organization_id, name, status, actor, expires_at)"
                " values ('x', 'd1', 'default', 'fire', $1, 'test', now())",
                target,
            )


WITHOUT_ITS_ROW = (
    "update ops.commands set status = 'sent' where id = $1",
    "update ops.commands set status = 'sent', transitions = 2 where id = $1",
    "update ops.commands set transitions = 2 where id = $1",
    "insert into ops.command_transitions (command_id, n, status, actor) values ($1, 3, 'sent', 'test')",  # out of turn
    "insert into ops.command_transitions (command_id, n, status, actor) values ($1, 2, 'queued', 'test')",
    "update ops.command_transitions set status = 'sent' where command_id = $1",
    """with moved as (update ops.commands set status = 'sent', transitions = 2 where id = $1 returning id)
       insert into ops.command_transitions (command_id, n, status, actor) select id, 2, 'cancelled', 'test' from moved""",
)


async def test_a_state_without_its_row_is_no_state(parts: Parts, pool: Pool) -> None:
    made = await parts.fire()
    for statement in WITHOUT_ITS_ROW:
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(statement, made.id)
        assert await parts.life(made.id) == ["queued"], statement


async def test_of_writers_that_hurry_each_finds_what_the_other_has_left(parts: Parts, pool: Pool) -> None:
    made = await parts.fire()
    ends = ("succeeded", "failed", "cancelled", "timed_out", "expired")
    results: list[Any] = await asyncio.gather(*(pool.execute(MOVE, made.id, end) for end in ends), return_exceptions=True)
    assert all(isinstance(result, str | asyncpg.CheckViolationError) for result in results)
    life = await parts.life(made.id)
    assert life[1:] in ([end] for end in ends) or life[1:-1] == ["timed_out"]


async def test_what_was_noted_stays_and_goes_with_its_command(parts: Parts, pool: Pool) -> None:
    made, other = await parts.fire(), await parts.fire()
    await lead(pool, made.id, "sent", "succeeded")
    for statement in (
        "delete from ops.command_transitions where command_id = $1",
        "delete from ops.command_transitions where command_id = $1 and n = 3",
        "update ops.command_transitions set actor = 'nobody' where command_id = $1 and n = 3",
        "update ops.command_transitions set at = at - interval '1 s' where command_id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="stays as it was written"):
            await pool.execute(statement, made.id)
    assert await parts.life(made.id) == ["queued", "sent", "succeeded"]
    await pool.execute("delete from ops.commands where id = $1", made.id)
    rows = await pool.fetch("select command_id from ops.command_transitions where command_id in ($1, $2)", made.id, other.id)
    assert [row["command_id"] for row in rows] == [other.id]
