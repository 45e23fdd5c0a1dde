"""Writing of ops.commands and ops.command_transitions; command_reads.py reads them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from commands.lifecycle import DELIVERED, FINAL, MAX_ATTEMPTS, OPEN, SENT, TRANSITIONS, UNANSWERED
from commands.outcome import Outcome
from commands.view import CommandView
from iotsphere.infra.postgres import columns
from iotsphere.registry import OUT_OF_SERVICE

MAX_OPEN = 100
AT_ONCE = 16
"""Parallel commands of one device that are claimed in one go."""
EDGE = "edge"
"""Actor of what delivery does by itself."""
LIFE = """json_agg(json_build_object('status', t.status, 'at', extract(epoch from t.at), 'actor', t.actor, 'reason', t.reason,
    'session', t.session) order by t.n)"""
"""Transitions ``t`` of one command as one value; commands/outcome.py reads it."""


def _among(texts: Iterable[str]) -> str:
    """For ``in``: spelled as in the partial indexes."""
    return "('" + "', '".join(texts) + "')"


_OPEN, _UNANSWERED, _FINAL, _OUT_OF_SERVICE = map(_among, (OPEN, UNANSWERED, sorted(FINAL), OUT_OF_SERVICE))
_LEGAL = ", ".join(f"('{source}', '{target}')" for source, targets in TRANSITIONS.items() for target in sorted(targets))
# A lost claim, or a lost note that something was sent, only makes the command go out once more: no need to wait for the disk.
_LAZY = "set_config('synchronous_commit', 'off', true)"

_ADD = f"""
with added as (
    insert into ops.commands
        (id, device_id, organization_id, name, params, status, actor, idempotency_key, created_at, expires_at, changed_at,
         parallel, answer_s)
    select $1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9, $8, $11, $12
    where (select count(*) from (
        select from ops.commands
        where device_id = $2 and organization_id = $3 and status in {_OPEN} and expires_at > $8 limit $10
    ) o) < $10 and ($13::text is null or exists (
        select from registry.device_seen($13, $2) s
        where s.organization_id = $3 and s.device_type = $14 and s.status not in {_OUT_OF_SERVICE}
    ))
    on conflict (organization_id, idempotency_key) do nothing
    returning id, device_id
), noted as (
    insert into ops.command_transitions (command_id, n, status, at, actor) select id, 1, 'queued', $8, $6 from added
)
select d.kind = 'simulated' as simulated from added join registry.devices d on d.id = device_id
"""  # noqa: S608 - constants of this package
# What has run out of time, or was given by a former owner, is nobody's turn any more. In a session that knows it not yet a
# command is due while it has attempts left; in its own it holds its lane up until it is parked.
_DUE = f"""
select c.id, c.sent_session from ops.commands c
where c.device_id = d.id and c.organization_id = d.organization_id and c.status in {_OPEN} and c.expires_at > $3
"""  # noqa: S608 - constants of this package
_CLAIM = f"""
with head as (
    select h.id, a.session
    from unnest($1::text[], $2::bigint[]) as a (device_id, session)
    join registry.devices d on d.id = a.device_id and d.status not in {_OUT_OF_SERVICE}
    cross join lateral (
        ({_DUE} and not c.parallel
            and case when c.sent_session = a.session then c.parked_at is null else c.attempts < {MAX_ATTEMPTS} end
            order by c.created_at, c.id limit 1)
        union all
        ({_DUE} and c.parallel and c.sent_session is distinct from a.session and c.attempts < {MAX_ATTEMPTS}
            order by c.created_at, c.id limit {AT_ONCE})
    ) h
    where h.sent_session is distinct from a.session
), locked as (
    select c.id, h.session from ops.commands c join head h on h.id = c.id
    where c.status in {_OPEN} and c.sent_session is distinct from h.session
    for update of c skip locked
)
update ops.commands c
set sent_session = l.session, attempts = c.attempts + 1, parked_at = null, answer_by = $3 + c.answer_s * interval '1 second'
from locked l where c.id = l.id
returning c.id, c.device_id, c.name, c.params, c.created_at, c.expires_at, c.sent_session, c.parallel, {_LAZY}
"""  # noqa: S608 - constants of this package
# One that did not go out has used up no attempt.
_CLAIMED_IN = """
update ops.commands c
set sent_session = w.session, attempts = c.attempts - case when w.session is null then 1 else 0 end
from unnest($1::text[], $2::bigint[], $3::bigint[]) as w (id, claimed, session)
where c.id = w.id and c.sent_session = w.claimed
"""
_PARK = f"""
with dead as (
    select id from ops.commands
    where parked_at is null and not parallel and status in {_UNANSWERED} and answer_by <= $1 and expires_at > $1
      and sent_session is not null
    limit $2 for update skip locked
)
update ops.commands c set parked_at = $1 from dead join registry.devices d on true
where c.id = dead.id and d.id = c.device_id
returning c.id, c.device_id, c.organization_id, c.name, c.status, c.created_at, d.kind = 'simulated' as simulated
"""  # noqa: S608 - constants of this package
_OVERDUE = f"""
select id, device_id, status, sent_session is not null or attempts > 0 from ops.commands
where status in {_OPEN} and expires_at <= $1 limit $2
"""  # noqa: S608 - constants of this package
_WAITING = f"""
select distinct device_id from ops.commands
where status in {_OPEN} and sent_session is null and created_at < $1 and expires_at > $1
"""  # noqa: S608 - constants of this package
FORGET = f"""
delete from ops.commands where ctid = any(array(
    select ctid from ops.commands where status not in {_OPEN} and changed_at < now() - make_interval(days => $1) limit $2))
"""  # noqa: S608 - constants of this package
# What is noted about a command is at most three steps in one go: sent, delivered, and what the device or a person made of it.
_ADVANCE = f"""
with legal (source, target) as (values {_LEGAL}), wanted as (
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                         $7::timestamptz[], $8::text[], $9::json[], $10::json[])
                  as t (id, device_id, session, sent_at, delivered_at, target, at, actor, reason, result)
), locked as materialized (
    select c.id, c.status, c.transitions, c.sent_session = w.session as same_session,
           w.sent_at is not null and c.sent_session = w.session and (c.status, '{SENT}') in (select * from legal) as now_sent
    from ops.commands c join wanted w on w.id = c.id and w.device_id = c.device_id order by c.id for update of c
), steps as (
    select l.id, 1 as k, '{SENT}' as status, w.sent_at as at, '{EDGE}' as actor, null::json as reason, w.session
    from locked l join wanted w using (id) where l.now_sent
    union all
    select l.id, 2, '{DELIVERED}', w.delivered_at, '{EDGE}', null, w.session
    from locked l join wanted w using (id)
    where w.delivered_at is not null and l.same_session and (l.now_sent or (l.status, '{DELIVERED}') in (select * from legal))
    union all
    select l.id, 3, w.target, w.at, w.actor, w.reason, null
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
    insert into ops.command_transitions (command_id, n, status, at, actor, reason, session)
    select id, n, status, at, actor, reason, session from numbered
)
select w.id, l.status as before, coalesce(ch.status, l.status) as status, c.organization_id, c.name, c.created_at, c.attempts,
       c.parked_at, d.kind = 'simulated' as simulated, case when not $11 then {_LAZY} end,
       case when ch.status in {_FINAL} then (
           select {LIFE} from (
               select n, status, at, actor, reason, session from ops.command_transitions where command_id = w.id
               union all select n, status, at, actor, reason, session from numbered where id = w.id
           ) t
       ) end as life,
       exists (select from ops.commands o where o.device_id = w.device_id and o.id <> w.id and o.status in {_OPEN}) as others
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
    parallel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is known of a command since it was last noted.

    Attributes:
        session: where it was sent, and its PUBACK came; when it is claimed for another one meanwhile, both are of no account.
        target: None when there is nothing beside that it was sent or delivered.
    """

    id: str
    device: str
    session: int | None = None
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
        parked: the lane goes on without it.
        outcome: its end, when this step was it.
        others: whether another command of the device was open.
    """

    step: Step
    before: str | None
    status: str
    organization: str
    name: str
    created_at: datetime
    simulated: bool
    parked: bool = False
    outcome: Outcome | None = None
    others: bool = True

    @property
    def changed(self) -> bool:
        """Whether the command is in another state now."""
        return self.before is not None and self.before != self.status


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives a command, in so far as the database is to look whether he may.

    Attributes:
        scope: what he sees (see registry.device_seen).
        device_type: what he takes the device for.
    """

    scope: str
    device_type: str


class CommandTable:
    """Reads and writes. Every method raises what asyncpg raises; see iotsphere.infra.postgres.AWAY."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def add(self, command: CommandView, idempotency_key: str | None, giver: Giver | None = None) -> bool | None:
        """Queue a command; returns whether its device is simulated, None when the key is taken or MAX_OPEN are open.

        Args:
            giver: then also None when the device is not what he takes it for, or takes no commands.

        Raises:
            asyncpg.ForeignKeyViolationError: there is no such device.
        """
        row = await self._pool.fetchrow(
            _ADD, command.id, command.device, command.organization, command.name, _json(command.params), command.actor,
            idempotency_key, command.created_at, command.expires_at, MAX_OPEN, command.parallel, command.answer_s,
            *((giver.scope, giver.device_type) if giver else (None, None)),
        )  # fmt: skip
        return None if row is None else bool(row["simulated"])

    async def claim(self, sessions: Mapping[str, int], now: datetime) -> list[Claimed]:
        """Claim what is due for these devices in their sessions; rows that another process holds are passed over."""
        rows = await self._pool.fetch(_CLAIM, list(sessions), list(sessions.values()), now)
        return [_claimed(row) for row in rows]

    async def reclaim(self, sessions: Sequence[tuple[str, int, int | None]]) -> None:
        """Correct claims: (command, session that it was claimed for, session that it went out in or None when it did not)."""
        await self._pool.execute(_CLAIMED_IN, *columns(sessions, 3))

    async def park(self, now: datetime, limit: int = 500) -> list[Advanced]:
        """Let others go before what the device has left unanswered for too long; returns what was parked."""
        rows = await self._pool.fetch(_PARK, now, limit)
        return [_parked(row, now) for row in rows]

    async def overdue(self, now: datetime, limit: int = 500) -> list[tuple[str, str, str, bool]]:
        """Id, device, state, and whether it may have been sent, of open commands whose time is over."""
        return [tuple(row) for row in await self._pool.fetch(_OVERDUE, now, limit)]

    async def waiting(self, now: datetime) -> list[str]:
        """Devices with an open command that is under way in no session."""
        return [row["device_id"] for row in await self._pool.fetch(_WAITING, now)]

    async def advance(self, steps: Sequence[Step], *, durable: bool = True) -> list[Advanced]:
        """Note steps of different commands; a step that the life cycle forbids changes nothing. In the order of the steps.

        Args:
            durable: return when it is on disk.
        """
        rows = await self._pool.fetch(_ADVANCE, *columns([_values(step) for step in steps], 10), durable)
        found = {row["id"]: row for row in rows}
        return [_advanced(step, found[step.id]) for step in steps]


def _values(step: Step) -> tuple[object, ...]:
    return (
        step.id, step.device, step.session, step.sent_at, step.delivered_at, step.target, step.at, step.actor,
        _json(step.reason), _json(step.result),
    )  # fmt: skip


def _advanced(step: Step, row: "asyncpg.Record") -> Advanced:
    return Advanced(
        step, row["before"], row["status"], row["organization_id"], row["name"], row["created_at"], bool(row["simulated"]),
        outcome=_outcome(step, row) if row["life"] else None, others=row["others"],
    )  # fmt: skip


def _outcome(step: Step, row: "asyncpg.Record") -> Outcome:
    return Outcome(
        status=row["status"], changed_at=step.at or row["created_at"], life=row["life"],
        reason=dict(step.reason) if step.reason else None, result=dict(step.result) if step.result is not None else None,
        attempts=row["attempts"], parked_at=row["parked_at"],
    )  # fmt: skip


def _parked(row: "asyncpg.Record", now: datetime) -> Advanced:
    step = Step(id=row["id"], device=row["device_id"], at=now)
    return Advanced(
        step, row["status"], row["status"], row["organization_id"], row["name"], row["created_at"], row["simulated"], parked=True
    )


def _claimed(row: "asyncpg.Record") -> Claimed:
    return Claimed(
        row["id"], row["device_id"], row["name"], msgspec.json.decode(row["params"]), row["created_at"], row["expires_at"],
        row["sent_session"], row["parallel"],
    )  # fmt: skip


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
