"""Reading of ops.commands, each command with its transitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from commands.command_table import LIFE
from commands.outcome import transitions
from commands.view import CommandView
from iotsphere.errors import InvalidInput
from iotsphere.infra.postgres import Pool

_VIEW = f"""
select c.*, d.kind = 'simulated' as simulated,
       (select {LIFE} from ops.command_transitions t where t.command_id = c.id) as life
from ops.commands c join registry.devices d on d.id = c.device_id
"""  # noqa: S608 - made of constants
_ONE = f"{_VIEW} where c.id = $1"
_BY_KEY = f"{_VIEW} where c.organization_id = $1 and c.idempotency_key = $2"
_OF_DEVICE = f"""
{_VIEW} where c.device_id = $1 and c.organization_id = $2 and ($3::text[] is null or c.status = any($3))
          and ($4::timestamptz is null or (c.created_at, c.id) < ($4, $5))
order by c.created_at desc, c.id desc limit $6
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of commands begins: after this one. On the wire it is an opaque text."""

    created_at: datetime
    id: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Of what text() gave.

        Raises:
            InvalidInput: it is no such text.
        """
        moment, _, command = text.partition("-")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(moment, 16)), command)
        except (ValueError, OverflowError) as error:
            raise InvalidInput("cursor", "must be the next_cursor of the page before") from error

    def text(self) -> str:
        """For the next request."""
        return f"{(self.created_at - _EPOCH) // timedelta(microseconds=1):x}-{self.id}"


class CommandReads:
    """Every method raises what asyncpg raises; see iotsphere.infra.postgres.AWAY."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, command_id: str) -> CommandView | None:
        """One command."""
        return _view(await self._pool.fetchrow(_ONE, command_id))

    async def by_key(self, organization: str, idempotency_key: str) -> CommandView | None:
        """The command that was first made with this key."""
        return _view(await self._pool.fetchrow(_BY_KEY, organization, idempotency_key))

    async def of_device(
        self, device: str, organization: str, limit: int, *, after: Place | None = None, statuses: Sequence[str] | None = None
    ) -> list[CommandView]:
        """The commands that this organization gave to a device, newest first, in these states (None: in all)."""
        moment, command = (after.created_at, after.id) if after else (None, None)
        rows = await self._pool.fetch(_OF_DEVICE, device, organization, statuses, moment, command, limit)
        return [view for row in rows if (view := _view(row))]


def _view(row: "asyncpg.Record | None") -> CommandView | None:
    if row is None:
        return None
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
        transitions=transitions(row["life"]),
        simulated=row["simulated"],
        parallel=row["parallel"],
        answer_s=row["answer_s"],
        attempts=row["attempts"],
        parked_at=row["parked_at"],
    )


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
