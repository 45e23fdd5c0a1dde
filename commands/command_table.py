"""All SQL of ops.commands and ops.command_transitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from commands.lifecycle import DELIVERED, OPEN, SENT, TRANSITIONS
from commands.view import CommandView, Transition
from iotsphere.infra.postgres import columns

MAX_OPEN = 100
EDGE = "edge"
"""Actor of what delivery does by itself."""

_OPEN = "('" + "', '".join(OPEN) + "')"  # spelled as in the partial index commands_open
_LEGAL = ", ".join(f"('{source}', '{target}')" for source, targets in TRANSITIONS.items() for target in sorted(targets))
# A lost claim, or a lost note that something was sent, only makes the command go out once more: no need to wait for the disk.
_LAZY = "set_config('synchronous_commit', 'off', true)"

_ADD = f"""
with added as (
    insert into ops.commands
        (id, device_id, organization_id, name, params, status, actor, idempotency_key, created_at, expires_at, changed_at)
    select $1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9, $8
    where (select count(*) from (
        select from ops.commands where device_id = $2 and status in {_OPEN} and expires_at > $8 limit $10
    ) o) < $10
    on conflict (organization_id, idempotency_key) do nothing
    returning id, device_id
), noted as (
    insert into ops.command_transitions (command_id, n, status, at, actor) select id, 1, 'queued', $8, $6 from added
)
select d.kind = 'simulated' as simulated from added join registry.devices d on d.id = device_id
"""  # noqa: S608 - constants of this package
_VIEW = """
select c.*, d.kind = 'simulated' as simulated,
       (select json_agg(json_build_object('status', t.status, 'at', extract(epoch from t.at), 'actor', t.actor,
                                          'reason', t.reason) order by t.n)
        from ops.command_transitions t where t.command_id = c.id) as life
from ops.commands c join registry.devices d on d.id = c.device_id
"""
_ONE = f"{_VIEW} where c.id = $1"
_BY_KEY = f"{_VIEW} where c.organization_id = $1 and c.idempotency_key = $2"
_OF_DEVICE = f"{_VIEW} where c.device_id = $1 order by c.created_at desc, c.id desc limit $2"
# The head of each device's line, unless it is under way in this very session. What has run out of time blocks no line.
_CLAIM = f"""
with head as (
    select h.id, a.session
    from unnest($1::text[], $2::bigint[]) as a (device_id, session)
    cross join lateral (
        select c.id, c.sent_session from ops.commands c
        where c.device_id = a.device_id and c.status in {_OPEN} and c.expires_at > $3 order by c.created_at, c.id limit 1
    ) h
    where h.sent_session is distinct from a.session
), locked as (
    select c.id, h.session from ops.commands c join head h on h.id = c.id
    where c.status in {_OPEN} and c.sent_session is distinct from h.session
    for update of c skip locked
)
update ops.commands c set sent_session = l.session from locked l where c.id = l.id
returning c.id, c.device_id, c.name, c.params, c.created_at, c.expires_at, c.sent_session, {_LAZY}
"""  # noqa: S608 - constants of this package
_CLAIMED_IN = """
update ops.commands c set sent_session = w.session from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (id, claimed, session)
where c.id = w.id and c.sent_session = w.claimed
"""
_OVERDUE = f"""
select id, device_id, status, sent_session is not null from ops.commands where status in {_OPEN} and expires_at <= $1 limit $2
"""  # noqa: S608 - constants of this package
_WAITING = f"""
select distinct device_id from ops.commands
where status in {_OPEN} and sent_session is null and created_at < $1 and expires_at > $1
"""  # noqa: S608 - constants of this package
# What is noted about a command is at most three steps in one go: sent, delivered, and what the device or a person made of it.
FORGET = f"""
delete from ops.commands where ctid = any(array(
    select ctid from ops.commands where status not in {_OPEN} and changed_at < now() - make_interval(days => $1) limit $2))
"""  # noqa: S608 - constants of this package
_ADVANCE = f"""
with legal (source, target) as (values {_LEGAL}), wanted as (
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::text[],
                         $8::json[], $9::json[]) as t (id, device_id, sent_at, delivered_at, target, at, actor, reason, result)
), locked as materialized (
    select c.id, c.status, c.transitions,
           w.sent_at is not null and (c.status, '{SENT}') in (select * from legal) as now_sent
    from ops.commands c join wanted w on w.id = c.id and w.device_id = c.device_id order by c.id for update of c
), steps as (
    select l.id, 1 as k, '{SENT}' as status, w.sent_at as at, '{EDGE}' as actor, null::json as reason
    from locked l join wanted w using (id) where l.now_sent
    union all
    select l.id, 2, '{DELIVERED}', w.delivered_at, '{EDGE}', null
    from locked l join wanted w using (id)
    where w.delivered_at is not null and (l.now_sent or (l.status, '{DELIVERED}') in (select * from legal))
    union all
    select l.id, 3, w.target, w.at, w.actor, w.reason
    from locked l join wanted w using (id) where (l.status, w.target) in (select * from legal)
), numbered as (
    select s.*, l.transitions + row_number() over (partition by s.id order by k) as n,
           k = max(k) over (partition by s.id) as is_last
    from steps s join locked l using (id)
), changed as (
    update ops.commands c
    set status = n.status, transitions = n.n, changed_at = n.at,
        reason = case when n.k = 3 then w.reason else c.reason end, result = case when n.k = 3 then w.result else c.result end
    from numbered n join wanted w using (id)
    where c.id = n.id and n.is_last
    returning c.id, c.status
), noted as (
    insert into ops.command_transitions (command_id, n, status, at, actor, reason)
    select id, n, status, at, actor, reason from numbered
)
select w.id, l.status as before, coalesce(ch.status, l.status) as status, c.organization_id, c.name, c.created_at,
       d.kind = 'simulated' as simulated, case when not $10 then {_LAZY} end
from wanted w left join locked l using (id) left join changed ch using (id)
left join ops.commands c on c.id = l.id left join registry.devices d on d.id = c.device_id
"""  # noqa: S608 - constants of this package


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that this process is to send in this session."""

    id: str
    device: str
    name: str
    params: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is known of a command since it was last noted. ``target`` None: nothing beside that it was sent or delivered."""

    id: str
    device: str
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    target: str | None = None
    at: datetime | None = None
    actor: str = EDGE
    reason: Mapping[str, str] | None = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a step came to.

    Attributes:
        before: the state that it met; None when there is no such command of that device.
        status: the state after it, the same as before when the step was not legal.
    """

    step: Step
    before: str | None
    status: str
    organization: str
    name: str
    created_at: datetime
    simulated: bool

    @property
    def changed(self) -> bool:
        """Whether the command is in another state now."""
        return self.before is not None and self.before != self.status


class CommandTable:
    """Reads and writes. Every method raises what asyncpg raises; see iotsphere.infra.postgres.AWAY."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def add(self, command: CommandView, idempotency_key: str | None) -> bool | None:
        """Queue a command; returns whether its device is simulated, None when the key is taken or MAX_OPEN are open.

        Raises:
            asyncpg.ForeignKeyViolationError: there is no such device.
        """
        row = await self._pool.fetchrow(
            _ADD, command.id, command.device, command.organization, command.name, _json(command.params), command.actor,
            idempotency_key, command.created_at, command.expires_at, MAX_OPEN,
        )  # fmt: skip
        return None if row is None else bool(row["simulated"])

    async def get(self, command_id: str) -> CommandView | None:
        """One command."""
        return _view(await self._pool.fetchrow(_ONE, command_id))

    async def by_key(self, organization: str, idempotency_key: str) -> CommandView | None:
        """The command that was first made with this key."""
        return _view(await self._pool.fetchrow(_BY_KEY, organization, idempotency_key))

    async def of_device(self, device: str, limit: int) -> list[CommandView]:
        """The newest commands of a device, newest first."""
        return [view for row in await self._pool.fetch(_OF_DEVICE, device, limit) if (view := _view(row))]

    async def claim(self, sessions: Mapping[str, int], now: datetime) -> list[Claimed]:
        """Claim what is due for these devices in their sessions; rows that another process holds are passed over."""
        rows = await self._pool.fetch(_CLAIM, list(sessions), list(sessions.values()), now)
        return [_claimed(row) for row in rows]

    async def reclaim(self, sessions: Sequence[tuple[str, int, int | None]]) -> None:
        """Correct claims: (command, session that it was claimed for, session that it went out in or None when it did not)."""
        await self._pool.execute(_CLAIMED_IN, *columns(sessions, 3))

    async def overdue(self, now: datetime, limit: int = 500) -> list[tuple[str, str, str, bool]]:
        """Id, device, state, and whether it was claimed for a session, of open commands whose time is over."""
        return [tuple(row) for row in await self._pool.fetch(_OVERDUE, now, limit)]

    async def waiting(self, now: datetime) -> list[str]:
        """Devices with an open command that is under way in no session."""
        return [row["device_id"] for row in await self._pool.fetch(_WAITING, now)]

    async def advance(self, steps: Sequence[Step], *, durable: bool = True) -> list[Advanced]:
        """Note steps of different commands; a step that the life cycle forbids changes nothing. In the order of the steps.

        Args:
            durable: return when it is on disk.
        """
        rows = await self._pool.fetch(_ADVANCE, *columns([_values(step) for step in steps], 9), durable)
        found = {row["id"]: row for row in rows}
        return [_advanced(step, found[step.id]) for step in steps]


def _values(step: Step) -> tuple[object, ...]:
    return (
        step.id, step.device, step.sent_at, step.delivered_at, step.target, step.at, step.actor,
        _json(step.reason), _json(step.result),
    )  # fmt: skip


def _advanced(step: Step, row: "asyncpg.Record") -> Advanced:
    return Advanced(
        step, row["before"], row["status"], row["organization_id"], row["name"], row["created_at"], bool(row["simulated"])
    )


def _claimed(row: "asyncpg.Record") -> Claimed:
    params = _parsed(row["params"])
    return Claimed(row["id"], row["device_id"], row["name"], params, row["created_at"], row["expires_at"], row["sent_session"])


def _view(row: "asyncpg.Record | None") -> CommandView | None:
    if row is None:
        return None
    life = tuple(
        Transition(t["status"], datetime.fromtimestamp(t["at"], UTC), t["actor"], t["reason"]) for t in _parsed(row["life"]) or ()
    )
    return CommandView(
        id=row["id"],
        device=row["device_id"],
        organization=row["organization_id"],
        name=row["name"],
        params=_parsed(row["params"]),
        status=row["status"],
        actor=row["actor"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        changed_at=row["changed_at"],
        reason=_parsed(row["reason"]),
        result=_parsed(row["result"]),
        transitions=life,
        simulated=row["simulated"],
    )


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
