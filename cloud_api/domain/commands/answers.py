"""Which HTTP answer a command's state is (pure)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Response

from cloud_api.domain.commands.schemas import Command, CommandProblem
from cloud_api.errors import MEDIA_TYPE
from cloud_api.responses import data_source, problems

# What a bad end is, and what it means in words.
_BAD_ENDS: Mapping[str, tuple[int, str]] = {
    "failed": (424, "the device has failed to carry the command out"),
    "rejected": (424, "the device has rejected the command"),
    "expired": (410, "the command has expired before the device could take it"),
    "cancelled": (409, "the command was cancelled"),
    "timed_out": (504, "the device has the command and has not answered in time"),
}
GIVING_PROBLEMS = problems(
    403,
    404,
    422,
    _409="the device takes no commands, too many of its commands are open, the key was used for another command, "
    "or the command was cancelled",
    _410="the command has expired before the device could take it",
    _424="the device has failed to carry the command out, or has rejected it",
    _504="the device has the command and has not answered in time",
)


def answer(command: Command) -> Response[Any]:
    """202 while the command is open, 200 when it has succeeded, else a problem that holds the command."""
    headers = {"Location": f"/api/v1/commands/{command.id}", **data_source([command.simulated])}
    if command.status not in _BAD_ENDS:
        return Response(command, status_code=200 if command.status == "succeeded" else 202, headers=headers)
    status, meaning = _BAD_ENDS[command.status]
    detail = f"{meaning}: {text}" if (text := _reason(command)) else meaning
    problem = CommandProblem(title=HTTPStatus(status).phrase, status=status, detail=detail, command=command)
    return Response(problem, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _reason(command: Command) -> str:
    reason = command.reason or {}
    return str(reason.get("text") or reason.get("code") or "")
