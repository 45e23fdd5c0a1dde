"""Who is calling: access tokens, the middleware that reads them, and guards for roles."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args

import jwt
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from cloud_api.tenancy import EVERY_ORGANIZATION
from iotsphere.errors import Forbidden, Unauthenticated

Role = Literal["viewer", "operator", "admin"]
Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]
"""Guards are coroutines: Litestar runs a plain function in a thread, which costs a request more than most guards do."""
ACCESS_S = 15 * 60
ISSUER = "iotsphere"
AUDIENCE = "iotsphere-api"
KEPT = 1024
"""Tokens whose signature is remembered; policy when full: that of the one unused for longest is looked at again."""
_RANK: dict[str, int] = {role: rank for rank, role in enumerate(get_args(Role))}
_REQUIRED = ["exp", "iat", "sub", "aud", "iss", "role", "org"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user.

    Attributes:
        family: the sign-in that this token descends from; "" for tokens made on the command line.
        expires_at: seconds since the Unix epoch.
    """

    id: str
    role: Role
    organization: str
    all_organizations: bool = False
    family: str = ""
    expires_at: float = 0.0

    @property
    def scope(self) -> str:
        """Whose rows the user sees."""
        return EVERY_ORGANIZATION if self.all_organizations else self.organization

    def has(self, role: Role) -> bool:
        """Whether the user's role is at least this one."""
        return _RANK[self.role] >= _RANK[role]

    def sees(self, organization: str) -> bool:
        """Whether things of the organization may be shown to the user."""
        return self.all_organizations or self.organization == organization


class Tokens:
    """Signs and verifies access tokens (JWT, HS256).

    Args:
        secret: the installation's, at least 32 bytes.
        clock: seconds since the Unix epoch.
    """

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret, clock
        self._signed = lru_cache(KEPT)(self._read)  # the same text under the same secret: only the time goes on

    def issue(self, user: Principal, ttl_s: float = ACCESS_S) -> str:
        """A token that is good for ``ttl_s`` seconds."""
        now = self._clock()
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": user.id, "iat": now, "exp": now + ttl_s,
            "role": user.role, "org": user.organization, "all": user.all_organizations, "sid": user.family,
        }  # fmt: skip
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def verify(self, token: str) -> Principal:
        """The user that a token speaks for.

        Raises:
            Unauthenticated: it is not ours, damaged, or has run out.
        """
        principal = self._signed(token)
        if principal.expires_at <= self._clock():  # by our own clock, so that tests and sessions use the same one
            raise Unauthenticated("the access token has run out")
        return principal

    def _read(self, token: str) -> Principal:
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("the access token is not valid") from error
        if claims["role"] not in _RANK:
            raise Unauthenticated("the access token is not valid")
        return Principal(
            claims["sub"],
            claims["role"],
            claims["org"],
            bool(claims.get("all")),
            str(claims.get("sid", "")),
            float(claims["exp"]),
        )


class BearerMiddleware(AbstractAuthenticationMiddleware):
    """Reads `Authorization: Bearer …`. Handlers with ``exclude_from_auth=True`` go without."""

    def __init__(self, app: ASGIApp, tokens: Tokens, **options: Any) -> None:
        super().__init__(app, **options)
        self._tokens = tokens

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Raises:
        Unauthenticated: no token, or none that is valid.
        """
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("sign in first: send Authorization: Bearer TOKEN")
        return AuthenticationResult(self._tokens.verify(token.strip()), None)


def at_least(role: Role) -> Guard:
    """A guard that lets users of this role and higher ones pass."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        if not cast(Principal, connection.user).has(role):
            raise Forbidden(f"this needs the role {role}")

    return guard


async def all_organizations(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard for what concerns the installation rather than one organization."""
    if not cast(Principal, connection.user).all_organizations:
        raise Forbidden("this needs a user of all organizations")
