"""What the device's program does on a command or a wish, and what its exceptions mean to the platform."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from iotsphere.errors import DeviceError, InvalidInput
from iotsphere.messages import CommandRequest, CommandResponse, Reason

log = logging.getLogger("device_sdk")

Answer = Mapping[str, Any] | None
Handler = Callable[[dict[str, Any]], Answer]
AsyncHandler = Callable[[dict[str, Any]], Answer | Awaitable[Answer]]


class CommandFailed(DeviceError):
    """Raised by a command handler: it was tried and did not work.

    Args:
        code: for programs, such as ``valve_stuck``.
        text: for people.
    """

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text or code)
        self.reason = Reason(code, text)


class CommandRejected(CommandFailed):
    """Raised by a command handler: the device refuses, and trying again would change nothing."""


def unknown(request: CommandRequest) -> CommandResponse:
    """The answer to a command without a handler."""
    return CommandResponse(status="rejected", reason=Reason("unknown_command", f"this device has no command {request.name}"))


def unfit(error: InvalidInput) -> CommandResponse:
    """The answer to a command whose parameters are not what the device type declares."""
    return CommandResponse(status="rejected", reason=Reason("invalid_params", str(error)))


def succeeded(answer: Answer) -> CommandResponse:
    """The answer of a handler that returned."""
    return CommandResponse(status="succeeded", result=dict(answer) if answer else None)


def failed(request: CommandRequest, error: Exception) -> CommandResponse:
    """The answer of a handler that raised."""
    if isinstance(error, CommandFailed):
        return CommandResponse(status="rejected" if isinstance(error, CommandRejected) else "failed", reason=error.reason)
    log.error("the handler of command %s raised", request.name, exc_info=error)
    return CommandResponse(status="failed", reason=Reason("exception", f"{type(error).__name__}: {error}"))
