"""/devices/{device}/commands and /commands."""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from cloud_api.auth import Principal, at_least
from cloud_api.domain.commands.answers import GIVING_PROBLEMS, answer
from cloud_api.domain.commands.schemas import Command, CommandList, NewCommand, Status
from cloud_api.domain.commands.service import Commands
from cloud_api.responses import marked, problems

Call = Request[Principal, None, Any]
MAX_WAIT_S = 60
Key = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", required=False, min_length=1, max_length=128,
        description="a request that comes twice with the same key gives the command once",
    ),
]  # fmt: skip
Wait = Annotated[float, QueryParameter(ge=0, le=MAX_WAIT_S, description="seconds to wait for the command's end")]
ENDED = {200: ResponseSpec(Command, description="it has succeeded", generate_examples=False)}


@post(
    "/devices/{device:str}/commands",
    status_code=202,
    guards=[at_least("operator")],
    responses={**ENDED, **GIVING_PROBLEMS},
    summary="Give a command",
)
async def give_command(
    request: Call,
    device: FromPath[str],
    data: JSONBody[NewCommand],
    commands: NamedDependency[Commands],
    key: Key = None,
    wait: Wait = 0,
) -> Response[Command]:
    """202 while the command is open (also when the wait ran out: ask for it again by its Location), 200 when it has succeeded.

    A command that has ended badly is a problem that holds it: 424 failed or rejected by the device, 410 expired,
    504 not answered by a device that has it, 409 cancelled.
    """
    return answer(await commands.give(request.user, device, data, key, wait))


@get("/devices/{device:str}/commands", responses=problems(404, 422), summary="List a device's commands")
async def list_commands(
    request: Call,
    device: FromPath[str],
    commands: NamedDependency[Commands],
    status: Annotated[list[Status] | None, QueryParameter(description="only in this state; may be given several times")] = None,
    cursor: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> Response[CommandList]:
    """Newest first, a page at a time."""
    page = await commands.of_device(request.user, device, limit, cursor, status)
    return marked(page, (c.simulated for c in page.items))


@get("/commands/{command:str}", responses=problems(404), summary="Get a command")
async def get_command(request: Call, command: FromPath[str], commands: NamedDependency[Commands]) -> Response[Command]:
    """With every step of its life so far."""
    found = await commands.get(request.user, command)
    return marked(found, [found.simulated])


@delete(
    "/commands/{command:str}",
    status_code=200,
    guards=[at_least("operator")],
    responses=problems(403, 404, _409="it has ended"),
    summary="Cancel a command",
)
async def delete_command(request: Call, command: FromPath[str], commands: NamedDependency[Commands]) -> Response[Command]:
    """It is kept, and is not delivered any more. A device that has it already may still carry it out."""
    return await _cancelled(request, command, commands)


@post(
    "/commands/{command:str}/cancel",
    status_code=200,
    guards=[at_least("operator")],
    responses=problems(403, 404, _409="it has ended"),
    summary="Cancel a command by POST",
)
async def cancel_command(request: Call, command: FromPath[str], commands: NamedDependency[Commands]) -> Response[Command]:
    """The same as DELETE, which reads as if the command were gone afterwards."""
    return await _cancelled(request, command, commands)


async def _cancelled(request: Call, command: FromPath[str], commands: NamedDependency[Commands]) -> Response[Command]:
    found = await commands.cancel(request.user, command)
    return marked(found, [found.simulated])


router = Router("/", route_handlers=[give_command, list_commands, get_command, delete_command, cancel_command], tags=["commands"])
