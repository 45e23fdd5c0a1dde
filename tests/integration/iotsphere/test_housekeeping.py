"""What has been kept long enough goes; what is open, or younger, stays."""

import pytest

from broker import presence_table
from commands import command_table
from ingest import event_table
from iotsphere.infra.housekeeping import KEPT_DAYS, Housekeeping
from iotsphere.infra.postgres import Pool
from tests.support.deliveries import add_devices

pytestmark = pytest.mark.integration

OLD, YOUNG = f"now() - interval '{KEPT_DAYS + 1} days'", "now()"


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With some devices."""
    await add_devices(pool, "d")
    return pool


async def test_old_events_and_final_commands_go_in_small_steps(pool: Pool) -> None:
    for age, word in ((OLD, "old"), (YOUNG, "young")):
        for number in range(5):
            await pool.execute(
                f"insert into ops.events (device_id, timestamp, name, severity, received_at)"
                f" values ('d', {age} - interval '{number} s', '{word}', 'info', {age})"
            )
        for status in ("succeeded", "queued"):
            await pool.execute(
                f"with made as (insert into ops.commands"
                f" (id, device_id, organization_id, name, status, actor, expires_at, changed_at)"
                f" values ('{word}-{status}', 'd', 'default', 'n', 'queued', 'a', now(), {age}) returning id)"
                f" insert into ops.command_transitions (command_id, n, status, actor) select id, 1, 'queued', 'a' from made"
            )
        await pool.execute(
            f"with ended as (update ops.commands set status = 'succeeded', transitions = 2"
            f" where id = '{word}-succeeded' returning id)"
            f" insert into ops.command_transitions (command_id, n, status, actor) select id, 2, 'succeeded', 'device' from ended"
        )
    statements = (event_table.FORGET, command_table.FORGET)
    assert await Housekeeping(pool, statements).turn(at_once=2) == 5 + 1
    assert await pool.fetchval("select array_agg(distinct name) from ops.events") == ["young"]
    left = await pool.fetchval("select array_agg(id order by id) from ops.commands")
    assert left == ["old-queued", "young-queued", "young-succeeded"]


async def test_sessions_that_ended_long_ago_are_forgotten(pool: Pool) -> None:
    await pool.execute(
        "insert into registry.sessions (device_id, session, connected_at, disconnected_at, node)"
        " select 'd', n, now() - n * interval '1 day', now() - n * interval '1 day', 'here' from generate_series(0, 99) n"
    )
    assert await Housekeeping(pool, [presence_table.FORGET]).turn() == 100 - KEPT_DAYS
    assert await pool.fetchval("select max(session) from registry.sessions") == KEPT_DAYS - 1
