"""The REST collection of each device type, generated from its declaration."""

from types import GenericAlias
from typing import Annotated, Any

from litestar import Request, Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import Body, FromPath, FromQuery, JSONBody, QueryParameter

from cloud_api.auth import Principal, at_least
from cloud_api.domain.collections.schemas import Views, views
from cloud_api.domain.collections.service import Collections
from cloud_api.domain.commands.answers import GIVING_PROBLEMS, answer
from cloud_api.domain.commands.routes import ENDED, Key, Wait
from cloud_api.domain.commands.schemas import Command, NewCommand
from cloud_api.domain.commands.service import Commands
from cloud_api.domain.shadow.etag import etag, expectation
from cloud_api.domain.shadow.routes import MERGE_PATCH, PATCH_PROBLEMS, IfMatch, MergePatch
from cloud_api.responses import marked, problems
from iotsphere.devices._spec import DeviceType

Call = Request[Principal, None, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]


def collection_router(declared: DeviceType) -> Router:
    """`/{collection}`: list, get, change what is desired, give a command."""
    made, title = views(declared), declared.title.lower()
    handlers = [
        _list_handler(declared, made, title),
        _get_handler(declared, made, title),
        _patch_handler(declared, made, title),
        _command_handler(declared, title),
    ]
    return Router(f"/{declared.collection}", route_handlers=handlers, tags=[declared.collection])


def _list_handler(declared: DeviceType, made: Views, title: str) -> Any:
    async def list_members(
        request: Call,
        collections: NamedDependency[Collections],
        organization: FromQuery[str | None] = None,
        cursor: FromQuery[str] = "",
        limit: Limit = 50,
    ) -> Response[Any]:
        """By id, a page at a time, with their newest readings; retired ones are left out."""
        page = await collections.page(request.user, declared, organization, cursor, limit)
        return marked(page, (item["simulated"] for item in page["items"]))

    list_members.__annotations__["return"] = GenericAlias(Response, (made.page,))
    return get("/", responses=problems(422), summary=f"List: {title}")(list_members)


def _get_handler(declared: DeviceType, made: Views, title: str) -> Any:
    async def get_member(request: Call, device: FromPath[str], collections: NamedDependency[Collections]) -> Response[Any]:
        """Newest readings, what it reports, what is desired of it; the ETag is the shadow's version."""
        return _tagged(await collections.get(request.user, declared, device))

    get_member.__annotations__["return"] = GenericAlias(Response, (made.one,))
    return get("/{device:str}", responses=problems(404), summary=f"Get: {title}")(get_member)


def _patch_handler(declared: DeviceType, made: Views, title: str) -> Any:
    async def patch_member(
        request: Call,
        device: FromPath[str],
        data: dict[str, Any],
        collections: NamedDependency[Collections],
        if_match: IfMatch = None,
    ) -> Response[Any]:
        """Properties to desire; null takes a desire back. The device obeys when it is connected."""
        return _tagged(await collections.desire(request.user, declared, device, data, expectation(if_match)))

    wanted = {"properties": made.wanted.properties, "additional_properties": False}
    body = Body(media_type=MERGE_PATCH, schema_extra=wanted)
    patch_member.__annotations__.update({"data": Annotated[dict[str, Any], body], "return": GenericAlias(Response, (made.one,))})
    decorate = patch(
        "/{device:str}", guards=[at_least("operator")], responses=PATCH_PROBLEMS, operation_class=MergePatch,
        summary=f"Change what is desired: {title}",
    )  # fmt: skip
    return decorate(patch_member)


def _command_handler(declared: DeviceType, title: str) -> Any:
    async def command_member(
        request: Call,
        device: FromPath[str],
        data: JSONBody[NewCommand],
        collections: NamedDependency[Collections],
        commands: NamedDependency[Commands],
        key: Key = None,
        wait: Wait = 0,
    ) -> Response[Command]:
        await collections.require(request.user, declared, device)
        return answer(await commands.give(request.user, device, data, key, wait))

    names = ", ".join(command.name for command in declared.commands) or "none"
    return post(
        "/{device:str}/commands", status_code=202, guards=[at_least("operator")], responses={**ENDED, **GIVING_PROBLEMS},
        summary=f"Give a command: {title}", description=f"Commands: {names}. Answers as /devices/{{device}}/commands does.",
    )(command_member)  # fmt: skip


def _tagged(member: dict[str, Any]) -> Response[Any]:
    return marked(member, [member["simulated"]], headers={"ETag": etag(member["version"])})
