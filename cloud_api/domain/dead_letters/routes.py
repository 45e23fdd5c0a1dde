"""/dead-letters."""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from cloud_api.auth import Principal, at_least
from cloud_api.domain.dead_letters.schemas import (
    Category,
    Chosen,
    Dropped,
    LetterDetail,
    LetterPage,
    ReplayView,
    selection,
)
from cloud_api.domain.dead_letters.service import DeadLetters
from cloud_api.responses import problems

Call = Request[Principal, None, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]
Wait = Annotated[float, QueryParameter(ge=0, le=60, description="seconds to wait for the end of the replay")]
UNDER_WAY = {
    202: ResponseSpec(ReplayView, description="some letters wait still: ask again by the Location", generate_examples=False)
}


@get("/dead-letters", responses=problems(422), summary="What could not be stored")
async def list_letters(
    request: Call,
    dead_letters: NamedDependency[DeadLetters],
    device: FromQuery[str | None] = None,
    category: FromQuery[Category | None] = None,
    reason: Annotated[str | None, QueryParameter(description="a part of it, in any case")] = None,
    organization: FromQuery[str | None] = None,
    from_: Annotated[str | None, QueryParameter(name="from", description="RFC 3339 or ms since the Unix epoch")] = None,
    to: Annotated[str | None, QueryParameter(description="the same, exclusive")] = None,
    cursor: FromQuery[str] = "",
    limit: Limit = 50,
) -> LetterPage:
    """Messages and values with the reason, newest first, a page at a time."""
    chosen = Chosen(device=device, category=category, reason=reason, organization=organization, from_=from_, to=to, all=True)
    return await dead_letters.page(request.user, selection(chosen), cursor, limit)


@get("/dead-letters/{letter:int}", responses=problems(404), summary="Get a dead letter")
async def get_letter(request: Call, letter: FromPath[int], dead_letters: NamedDependency[DeadLetters]) -> LetterDetail:
    """With its payload, decoded as far as possible."""
    return await dead_letters.get(request.user, letter)


@post(
    "/dead-letters/replay",
    status_code=200,
    guards=[at_least("operator")],
    responses={**UNDER_WAY, **problems(403, 422)},
    summary="Replay dead letters",
)
async def replay_letters(
    request: Call, data: JSONBody[Chosen], dead_letters: NamedDependency[DeadLetters], wait: Wait = 10
) -> Response[ReplayView]:
    """Each goes the way of its message again, as of the time at which it came. What fails stays, with its new reason."""
    return _told(await dead_letters.replay(request.user, selection(data), wait))


@post(
    "/dead-letters/{letter:int}/replay",
    status_code=200,
    guards=[at_least("operator")],
    responses={**UNDER_WAY, **problems(403, 404)},
    summary="Replay a dead letter",
)
async def replay_letter(
    request: Call, letter: FromPath[int], dead_letters: NamedDependency[DeadLetters], wait: Wait = 10
) -> Response[ReplayView]:
    """The same of one."""
    return _told(await dead_letters.replay_one(request.user, letter, wait))


@get("/dead-letters/replays/{replay:str}", responses=problems(404), summary="What became of a replay")
async def get_replay(request: Call, replay: FromPath[str], dead_letters: NamedDependency[DeadLetters]) -> ReplayView:
    """How many letters came through, failed again, and wait."""
    return await dead_letters.outcome(request.user, replay)


@post(
    "/dead-letters/drop",
    status_code=200,
    guards=[at_least("admin")],
    responses=problems(403, 422),
    summary="Drop dead letters",
)
async def drop_letters(request: Call, data: JSONBody[Chosen], dead_letters: NamedDependency[DeadLetters]) -> Dropped:
    """For good."""
    return Dropped(await dead_letters.drop(request.user, selection(data)))


@delete("/dead-letters/{letter:int}", guards=[at_least("admin")], responses=problems(403, 404), summary="Drop a dead letter")
async def drop_letter(request: Call, letter: FromPath[int], dead_letters: NamedDependency[DeadLetters]) -> None:
    """For good."""
    await dead_letters.drop_one(request.user, letter)


def _told(view: ReplayView) -> Response[ReplayView]:
    headers = {"Location": f"/api/v1/dead-letters/replays/{view.id}"}
    return Response(view, status_code=200 if view.done else 202, headers=headers)


router = Router(
    "/",
    route_handlers=[list_letters, get_letter, replay_letters, replay_letter, get_replay, drop_letters, drop_letter],
    tags=["dead letters"],
)
