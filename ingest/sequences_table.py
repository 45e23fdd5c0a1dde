"""All SQL of telemetry.sequences, and the fold of the journal of arrivals into it. Raises what asyncpg raises."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from ingest.batch import Run
from ingest.intervals import Intervals
from ingest.ledger import Kept
from ingest.sequences import Account, Settled, settle
from iotsphere.infra.postgres import Connection, Pool
from iotsphere.registry import DeviceRecord

FOLDED = 300  # batches a statement
SPACIOUS = 4096  # bytes, about 200 ranges: such an account is settled
KEPT_OF_A_DEVICE = 100  # accounts, the newest: one that reconnects all day without naming its boot has no more

_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('telemetry.sequences'))"


def _numbers(ranges: str) -> str:
    """How many numbers are in a multirange; most are one range, or none, and need no function."""
    one = f"{ranges} = int8multirange(range_merge({ranges}))"
    return f"case when {one} then coalesce(upper({ranges}) - lower({ranges}), 0) else telemetry.numbers({ranges}) end"


def _kept(ranges: str) -> str:
    """Without what is settled."""
    both = f"coalesce(s.{ranges}, '{{}}') + m.{ranges}"
    return f"case when s.settled_below is null then {both} else ({both}) * int8multirange(int8range(s.settled_below, null)) end"


_FOLD = f"""
with chosen as (
    select id from telemetry.arrivals where id <> all($1::bigint[]) order by at limit $2
), taken as (
    delete from telemetry.arrivals a using chosen c where a.id = c.id returning a.*
), entries as (
    select k as key, f as first, l as last, l - f + 1 as messages, 0::bigint as late, n as newest, at
    from taken, unnest(string_to_array(keys, e'\\n'), firsts, lasts, newest) as plain (k, f, l, n)
    union all
    select k, f, l, m, late, 0, at
    from taken, unnest(string_to_array(odd_keys, e'\\n'), odd_firsts, odd_lasts, odd_messages, odd_late) as odd (k, f, l, m, late)
), merged as (
    select split_part(key, e'\\x1f', 2) as device_id, split_part(key, e'\\x1f', 1) as organization_id,
           split_part(key, e'\\x1f', 3)::bigint as session, split_part(key, e'\\x1f', 4) as boot,
           coalesce(range_agg(int8range(first, last, '[]')) filter (where messages > 0), '{{}}') as seen,
           coalesce(range_agg(int8range(first, last, '[]')) filter (where messages = 0), '{{}}') as dropped,
           sum(messages)::bigint as messages, sum(late)::bigint as late,
           max(newest) as newest, min(at) as began_at, max(at) as heard_at
    from entries group by key
), grown as (
    select m.device_id, m.organization_id, m.session, m.boot, {_kept("seen")} as seen, {_kept("dropped")} as dropped,
           coalesce(s.messages, 0) + m.messages as messages, coalesce(s.late, 0) + m.late as late,
           greatest(s.newest, m.newest) as newest, s.settled_below, coalesce(s.settled_received, 0) as settled_received,
           coalesce(s.settled_missing, 0) as settled_missing, coalesce(s.settled_declared, 0) as settled_declared,
           least(s.began_at, m.began_at) as began_at, greatest(s.heard_at, m.heard_at) as heard_at
    from merged m left join lateral (
        select * from telemetry.sequences t where t.device_id = m.device_id and t.organization_id = m.organization_id
        and t.session = m.session and t.boot = m.boot offset 0
    ) s on true
), known as (
    select *, dropped - seen as absent, upper(seen) as above,
           coalesce(settled_below, least(lower(seen), lower(dropped))) as lowest
    from grown
), written as (
    insert into telemetry.sequences as s (
        device_id, organization_id, session, boot, seen, dropped, messages, late, newest, began_at, heard_at,
        received, declared, missing
    )
    select device_id, organization_id, session, boot, seen, dropped, messages, late, newest, began_at, heard_at,
           {_numbers("seen")} + settled_received, {_numbers("absent")} + settled_declared,
           settled_missing + coalesce(above - lowest, 0) - {_numbers("seen")}
           - case when isempty(absent) or above is null then 0
             else telemetry.numbers(absent * int8multirange(int8range(lowest, above))) end
    from known
    on conflict (device_id, organization_id, session, boot) do update set
        seen = excluded.seen, dropped = excluded.dropped, messages = excluded.messages, late = excluded.late,
        newest = excluded.newest, heard_at = excluded.heard_at,
        received = excluded.received, declared = excluded.declared, missing = excluded.missing
    returning *
)
select (select count(*) from taken) as batches, written.*
from (values (true)) as always left join written on pg_column_size(seen) > $3 or pg_column_size(dropped) > $3
"""  # noqa: S608 - made of constants
_SETTLE = """
update telemetry.sequences set seen = $5::text::int8multirange, dropped = $6::text::int8multirange, settled_below = $7,
    settled_received = $8, settled_missing = $9, settled_declared = $10
where device_id = $1 and organization_id = $2 and session = $3 and boot = $4
"""
_FIND = """
select n, s.seen, s.newest
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) with ordinality as k (device_id, organization_id, session, boot, n)
join telemetry.sequences s using (device_id, organization_id, session, boot)
"""
_LIST = """
select * from telemetry.sequences where device_id = $1 and organization_id = $2 order by heard_at desc, boot, session limit $3
"""
_TOTALS = """
select coalesce(sum(received), 0)::bigint as received, coalesce(sum(missing), 0)::bigint as missing,
       coalesce(sum(declared), 0)::bigint as declared, coalesce(sum(messages - received), 0)::bigint as repeated,
       coalesce(sum(late), 0)::bigint as late
from telemetry.sequences where $1::text[] is null or organization_id = any($1)
"""
_TRIM = """
delete from telemetry.sequences where heard_at < now() - make_interval(days => $1) or ctid in (
    select place from (
        select ctid as place, row_number() over (partition by device_id order by heard_at desc) as place_in_line
        from telemetry.sequences
    ) as lined_up where place_in_line > $2
)
"""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """The account of one run of a device; ``boot`` or ``session`` names it.

    Attributes:
        began_at, heard_at: when the first and the newest of its messages were committed.
    """

    boot: str | None
    session: int | None
    account: Account
    began_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over accounts."""

    received: int
    missing: int
    declared: int
    repeated: int
    late: int


async def fold(connection: Connection, without: Collection[int]) -> bool:
    """Move the oldest of the journal into the accounts, within the caller's transaction.

    Args:
        without: ids whose commit is not certain: they may be written once more.

    Returns:
        Whether there may be more.
    """
    await connection.execute(_ONE_AT_A_TIME)
    rows = await connection.fetch(_FOLD, list(without), FOLDED, SPACIOUS)
    for row in rows:
        if row["device_id"] is not None:
            await _settle(connection, row)
    return bool(rows[0]["batches"] == FOLDED)


async def _settle(connection: Connection, row: asyncpg.Record) -> None:
    account = settle(_account(row))
    counts = account.settled
    await connection.execute(
        _SETTLE, row["device_id"], row["organization_id"], row["session"], row["boot"], _text(account.seen),
        _text(account.dropped), counts.below, counts.received, counts.missing, counts.declared,
    )  # fmt: skip


async def find(pool: Pool, runs: Mapping[Run, DeviceRecord]) -> dict[Run, Kept]:
    """What is known of these runs under their present owners."""
    keys = list(runs)
    rows = await pool.fetch(
        _FIND, [device for device, _ in keys], [runs[key].organization for key in keys],
        [0 if isinstance(name, str) else name for _, name in keys], [name if isinstance(name, str) else "" for _, name in keys],
    )  # fmt: skip
    return {keys[row["n"] - 1]: Kept(_intervals(row["seen"]), row["newest"]) for row in rows}


async def list_accounts(pool: Pool, device: str, organization: str, limit: int) -> list[AccountRow]:
    """A device's accounts in the time of one owner, the one that was heard of last first."""
    rows = await pool.fetch(_LIST, device, organization, limit)
    return [
        AccountRow(
            None if row["session"] else row["boot"], row["session"] or None, _account(row), row["began_at"], row["heard_at"]
        )
        for row in rows
    ]


async def totals(pool: Pool, organizations: Sequence[str] | None) -> Totals:
    """Sums over all accounts of some organizations, None for all."""
    row = await pool.fetchrow(_TOTALS, organizations)
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Totals(**row)


async def trim(pool: Pool, days: int) -> None:
    """Forget accounts that were not heard of for so many days, and those beyond KEPT_OF_A_DEVICE."""
    await pool.execute(_TRIM, days, KEPT_OF_A_DEVICE)


def _account(row: asyncpg.Record) -> Account:
    settled = Settled(row["settled_below"], row["settled_received"], row["settled_missing"], row["settled_declared"])
    return Account(_intervals(row["seen"]), _intervals(row["dropped"]), row["messages"], row["late"], settled)


def _intervals(ranges: Iterable[Any]) -> Intervals:
    made = Intervals()
    made.edges = [edge for found in ranges for edge in (found.lower, found.upper)]
    return made


def _text(intervals: Intervals) -> str:
    edges = intervals.edges
    return "{" + ",".join(f"[{edges[i]},{edges[i + 1]})" for i in range(0, len(edges), 2)) + "}"
