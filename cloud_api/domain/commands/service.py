"""Commands as a user sees them: reached through a device that he may see."""

from collections.abc import Sequence
from contextlib import suppress

from cloud_api.auth import Principal
from cloud_api.domain.commands.schemas import Command, CommandList, NewCommand, view
from cloud_api.domain.devices.service import Devices
from cloud_api.domain.devices.table import Addressee
from commands.service import CommandService
from commands.view import CommandView
from iotsphere.errors import Conflict, NotFound
from iotsphere.registry import OUT_OF_SERVICE

REMEMBERED = 10_000
"""Devices that somebody gave commands to; policy when full: forget the one that was added first."""


class Commands:
    """Gives, follows and cancels commands."""

    def __init__(self, devices: Devices, commands: CommandService) -> None:
        self._devices, self._commands = devices, commands
        # What was seen of a device is tried first, since the statement that adds a command looks whether it is still so: a round
        # trip less.
        self._seen: dict[tuple[str, str], Addressee] = {}

    async def give(self, principal: Principal, device: str, new: NewCommand, key: str | None, wait_s: float) -> Command:
        """Commit a command and wait for its end for at most ``wait_s`` seconds.

        Args:
            key: the same key means the same command, which is then given only once.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            InvalidInput: the type has no such command, or parameters are wrong.
            Conflict: the device takes no commands, too many are open, or the key was used for another command.
        """
        seen = (principal.scope, device)
        # With a key the command may be there already, of a device that has changed hands.
        remembered = self._seen.pop(seen, None) if key is None else None
        if remembered is not None:
            with suppress(Conflict):  # also when the device is not what it was
                return await self._give(principal, remembered, new, key, wait_s)
        row = await self._devices.addressee(principal, device)
        if row.status in OUT_OF_SERVICE:
            raise Conflict(f"{device} is {row.status} and takes no commands")
        return await self._give(principal, row, new, key, wait_s)

    async def _give(self, principal: Principal, row: Addressee, new: NewCommand, key: str | None, wait_s: float) -> Command:
        command = await self._commands.create(
            row.id, row.device_type, row.organization, new.name, new.params,
            actor=principal.id, timeout_s=new.timeout, idempotency_key=key, wait_s=wait_s, scope=principal.scope,
        )  # fmt: skip
        self._remember((principal.scope, row.id), row)
        return view(command, row.simulated)

    def _remember(self, seen: tuple[str, str], row: Addressee) -> None:
        if len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[seen] = row

    async def of_device(
        self, principal: Principal, device: str, limit: int, cursor: str, statuses: Sequence[str] | None
    ) -> CommandList:
        """The device's commands, newest first, without those of a former owner.

        Raises:
            NotFound: there is no such device, or none that the user may see.
            InvalidInput: that is no cursor.
        """
        row = await self._devices.addressee(principal, device)
        found, following = await self._commands.page(row.id, row.organization, limit, cursor=cursor, statuses=statuses)
        return CommandList([view(command, row.simulated) for command in found], following)

    async def get(self, principal: Principal, command: str) -> Command:
        """One command.

        Raises:
            NotFound: there is no such command, or none that the user may see.
        """
        found, row = await self._visible(principal, command)
        return view(found, row.simulated)

    async def cancel(self, principal: Principal, command: str) -> Command:
        """The device is not told any more; one that has the command already may still carry it out.

        Raises:
            NotFound: there is no such command, or none that the user may see.
            Conflict: it has ended.
        """
        _, row = await self._visible(principal, command)
        return view(await self._commands.cancel(command, principal.id), row.simulated)

    async def _visible(self, principal: Principal, command: str) -> tuple[CommandView, Addressee]:
        found = await self._commands.get(command)
        if found is None or not principal.sees(found.organization):
            raise NotFound(f"there is no command {command}")
        return found, await self._row(principal, found)

    async def _row(self, principal: Principal, command: CommandView) -> Addressee:
        try:
            return await self._devices.addressee(principal, command.device)
        except NotFound as error:  # the device has changed hands
            raise NotFound(f"there is no command {command.id}") from error
