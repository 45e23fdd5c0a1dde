"""Commands for the API: make, look at, wait for, take back."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from commands.command_reads import CommandReads, Place
from commands.command_table import MAX_OPEN, CommandTable, Giver, Step
from commands.lifecycle import CANCELLED, QUEUED
from commands.news import changed
from commands.view import CommandView, Transition
from commands.waiting import Waiter, Waiters
from iotsphere.bus import EventBus
from iotsphere.devices._spec import Command, DeviceType
from iotsphere.errors import Conflict, InvalidInput, NotFound
from iotsphere.events import CommandChanged
from iotsphere.infra.postgres import unavailable_as_ours
from iotsphere.signals import CLOUD_DONE, EDGE_COMMAND, Signals

MAX_TIMEOUT_S = 7 * 24 * 3600.0
MAX_PARAMS_BYTES = 32 * 1024
LOOK_EVERY_S = 1.0
# What delivery sends is noted 20 ms later; one whose note was lost with `edge` is cancelled too.
NOTED_AFTER_S, NOTED_LOOKS = 0.03, 6


class CommandService:
    """Whoever calls has checked that the device may be seen.

    Args:
        signals: not started yet; one handler is added.
        types: which commands there are.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        signals: Signals,
        bus: EventBus,
        types: Mapping[str, DeviceType],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table, self._reads = CommandTable(pool), CommandReads(pool)
        self._signals, self._bus, self._types, self._clock = signals, bus, types, clock
        self._waiters = Waiters()
        signals.on(CLOUD_DONE, self._waiters.on_done)

    async def create(
        self,
        device: str,
        device_type: str,
        organization: str,
        name: str,
        params: Mapping[str, Any],
        *,
        actor: str,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        wait_s: float = 0.0,
        scope: str | None = None,
    ) -> CommandView:
        """Queue a command; it is committed when this returns.

        Args:
            timeout_s: after so many seconds the device must not act on it any more; None: as its type says.
            idempotency_key: the same key with the same device, name, parameters and timeout is the same command.
            wait_s: return as soon as it is final, or after so many seconds.
            scope: look in the same moment whether the device is seen by it, of this type and organization, and takes commands.

        Raises:
            InvalidInput: no such command, or wrong parameters; names every wrong one.
            NotFound: no such device.
            Conflict: the key belongs to another command, MAX_OPEN commands of the device are not final, or it is not so (scope).
            StoreUnavailable: PostgreSQL is away; whether the command was made is not known.
        """
        command, checked = self._check(device_type, name, params)
        now = self._now()
        view = CommandView(
            id=_new_id(now),
            device=device,
            organization=organization,
            name=name,
            params=checked,
            status=QUEUED,
            actor=actor,
            created_at=now,
            expires_at=now + timedelta(seconds=_timeout(command, timeout_s)),
            changed_at=now,
            transitions=(Transition(QUEUED, now, actor),),
            parallel=command.lane == "parallel",
            answer_s=command.timeout_s,
        )
        with self._waiters.wait_for(view.id) as waiter:  # from before the device can know of it
            async with unavailable_as_ours():
                simulated = await self._add(view, idempotency_key, Giver(scope, device_type) if scope is not None else None)
                first = None if simulated is not None else await self._first(view, idempotency_key)
            if first is not None:
                return await self.wait(first.id, wait_s)
            view = replace(view, simulated=bool(simulated))
            await self._signals.send(EDGE_COMMAND, device)
            await self._bus.publish(_queued(view))
            return await self._until_final(view, waiter, wait_s)

    async def get(self, command_id: str) -> CommandView | None:
        """A command, None when there is none.

        Raises:
            StoreUnavailable: PostgreSQL is away.
        """
        async with unavailable_as_ours():
            return await self._reads.get(command_id)

    async def page(
        self, device: str, organization: str, limit: int = 50, *, cursor: str = "", statuses: Sequence[str] | None = None
    ) -> tuple[list[CommandView], str | None]:
        """Commands that an organization gave to a device, newest first, and where the next page begins, None after the last.

        Args:
            cursor: where the page before said that this one begins.
            statuses: only those in one of these states.

        Raises:
            InvalidInput: that is no cursor.
            StoreUnavailable: PostgreSQL is away.
        """
        after = Place.parse(cursor) if cursor else None
        async with unavailable_as_ours():
            found = await self._reads.of_device(device, organization, limit + 1, after=after, statuses=statuses)
        shown = found[:limit]
        return shown, Place(shown[-1].created_at, shown[-1].id).text() if len(found) > limit else None

    async def wait(self, command_id: str, seconds: float) -> CommandView:
        """The command as soon as it is final, or as it is after so many seconds.

        Raises:
            NotFound: there is none.
            StoreUnavailable: PostgreSQL is away.
        """
        with self._waiters.wait_for(command_id) as waiter:  # before the first look, so that nothing happens in between
            return await self._until_final(await self._existing(command_id), waiter, seconds)

    def end_waits(self) -> None:
        """The process ends: whoever waits is answered now, with the command as it is."""
        self._waiters.end()

    async def cancel(self, command_id: str, actor: str) -> CommandView:
        """Take a command back. A device that has it already may still carry it out.

        Raises:
            NotFound: there is none.
            Conflict: it is final.
            StoreUnavailable: PostgreSQL is away.
        """
        view = await self._once_noted(command_id)
        step = Step(id=command_id, device=view.device, target=CANCELLED, at=self._now(), actor=actor)
        async with unavailable_as_ours():
            [advanced] = await self._table.advance([step])
        if not advanced.changed:
            raise Conflict(f"the command is {advanced.status} already")
        await self._signals.send(CLOUD_DONE, command_id)
        await self._signals.send(EDGE_COMMAND, view.device)
        await self._bus.publish(changed(advanced))
        return await self._existing(command_id)

    async def _once_noted(self, command_id: str) -> CommandView:
        """The command, once it is noted that it was sent if it is being sent: the steps before its end shall tell."""
        for _ in range(NOTED_LOOKS):
            view = await self._existing(command_id)
            if view.status != QUEUED or not view.attempts:
                break
            await asyncio.sleep(NOTED_AFTER_S)
        return view

    def _check(self, device_type: str, name: str, params: Mapping[str, Any]) -> tuple[Command, dict[str, Any]]:
        declared = self._types.get(device_type)
        if declared is None:
            raise InvalidInput("device_type", f"no type {device_type!r}")
        command = declared.command(name)
        declared.check_params(command, params)
        if len(msgspec.json.encode(params)) > MAX_PARAMS_BYTES:
            raise InvalidInput("params", f"must be at most {MAX_PARAMS_BYTES} bytes")
        return command, {p.key: p.default for p in command.params if p.default is not None} | dict(params)

    async def _add(self, view: CommandView, idempotency_key: str | None, giver: Giver | None) -> bool | None:
        try:
            return await self._table.add(view, idempotency_key, giver)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound(f"there is no device {view.device}") from error

    async def _first(self, view: CommandView, idempotency_key: str | None) -> CommandView:
        first = await self._reads.by_key(view.organization, idempotency_key) if idempotency_key is not None else None
        if first is None:
            raise Conflict(f"{MAX_OPEN} commands of {view.device} are not final yet")
        if _asked(first) != _asked(view):
            raise Conflict("the idempotency key belongs to another command")
        return first

    async def _until_final(self, view: CommandView, waiter: Waiter, seconds: float) -> CommandView:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not view.final and not self._waiters.ended and (left := deadline - loop.time()) > 0:
            outcome = await waiter.news(min(left, LOOK_EVERY_S))  # a signal may be lost: look now and then
            view = outcome.of(view) if outcome is not None else await self._existing(view.id)
        return view

    async def _existing(self, command_id: str) -> CommandView:
        view = await self.get(command_id)
        if view is None:
            raise NotFound(f"there is no command {command_id}")
        return view

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _timeout(command: Command, timeout_s: float | None) -> float:
    if timeout_s is None:
        return command.timeout_s
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise InvalidInput("timeout", f"must be more than 0 and at most {MAX_TIMEOUT_S:g} seconds")
    return timeout_s


def _new_id(now: datetime) -> str:
    """Grows with time, so that the index grows at one end; nobody can guess one."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def _asked(view: CommandView) -> tuple[object, ...]:
    """What makes two requests the same."""
    return view.device, view.name, view.params, view.expires_at - view.created_at


def _queued(view: CommandView) -> CommandChanged:
    return CommandChanged(
        id=view.id,
        device=view.device,
        organization=view.organization,
        name=view.name,
        status=view.status,
        at=int(view.created_at.timestamp() * 1000),
        simulated=view.simulated,
    )
