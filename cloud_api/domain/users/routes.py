"""/auth, /me and /users."""

from typing import Any

from litestar import Request, Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from cloud_api.auth import Principal, at_least
from cloud_api.domain.users.accounts import Accounts
from cloud_api.domain.users.schemas import (
    Account,
    AccountChange,
    AccountList,
    LoginRequest,
    NewAccount,
    RefreshRequest,
    Session,
    User,
)
from cloud_api.domain.users.service import SignIn, as_user
from cloud_api.responses import problems

Call = Request[Principal, None, Any]


@post("/auth/login", status_code=200, exclude_from_auth=True, security=[{}], responses=problems(422, 429), summary="Sign in")
async def login(request: Request[Any, Any, Any], data: JSONBody[LoginRequest], sign_in: NamedDependency[SignIn]) -> Session:
    """A password for an access token (15 minutes) and a refresh token (30 days, each good for one use)."""
    return await sign_in.login(data.user, data.password, request.client.host if request.client else "")


@post(
    "/auth/refresh",
    status_code=200,
    exclude_from_auth=True,
    security=[{}],
    responses=problems(422),
    summary="Renew the access token",
)
async def refresh(data: JSONBody[RefreshRequest], sign_in: NamedDependency[SignIn]) -> Session:
    """A refresh token for a new pair; a token that comes twice ends the whole sign-in."""
    return await sign_in.refresh(data.refresh_token)


@post("/auth/logout", status_code=204, responses=problems(), summary="Sign out")
async def logout(request: Call, sign_in: NamedDependency[SignIn]) -> None:
    """End the sign-in that this access token belongs to."""
    await sign_in.logout(request.user)


@get("/me", responses=problems(), summary="Who am I")
async def me(request: Call) -> User:
    """The signed-in user."""
    return as_user(request.user)


@get("/users", guards=[at_least("admin")], responses=problems(403), summary="List users")
async def list_users(request: Call, accounts: NamedDependency[Accounts]) -> AccountList:
    """Those of the organizations that you may see."""
    return AccountList(await accounts.visible(request.user))


@post("/users", guards=[at_least("admin")], responses=problems(403, 409, 422), summary="Add a user")
async def add_account(request: Call, data: JSONBody[NewAccount], accounts: NamedDependency[Accounts]) -> Response[Account]:
    """A name is unique in the installation."""
    added = await accounts.add(request.user, data)
    return Response(added, status_code=201, headers={"Location": f"/api/v1/users/{added.id}"})


@patch("/users/{user:str}", guards=[at_least("admin")], responses=problems(403, 404, 422), summary="Change a user")
async def change_account(
    request: Call, user: FromPath[str], data: JSONBody[AccountChange], accounts: NamedDependency[Accounts]
) -> Account:
    """A new password and a disabled user end all his sign-ins; access tokens run out within 15 minutes."""
    return await accounts.change(request.user, user, data)


router = Router("/", route_handlers=[login, refresh, logout, me, list_users, add_account, change_account], tags=["users"])
