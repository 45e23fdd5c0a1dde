"""Sign-in, rotation of refresh tokens, sign-out; users, added by an admin or on the command line."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from cloud_api.auth import ACCESS_S, Principal, Role, Tokens
from cloud_api.domain.organizations import table as organizations
from cloud_api.domain.users import refresh_table, table
from cloud_api.domain.users.schemas import Session, User
from cloud_api.domain.users.table import UserRow
from cloud_api.passwords import PasswordChecker, hash_password
from cloud_api.tenancy import Connection, Tenancy
from cloud_api.throttle import FailureThrottle
from iotsphere.errors import Conflict, InvalidInput, NotFound, Unauthenticated

REFRESH_LIFE = timedelta(days=30)  # of a whole family: rotation does not prolong it
WINDOW_S = 300.0
WRONG = "user or password is wrong"
MIN_PASSWORD = 8
_log = structlog.get_logger(__name__)


class SignIn:
    """Turns passwords and refresh tokens into sessions."""

    def __init__(self, tenancy: Tenancy, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._tenancy, self._tokens, self._clock = tenancy, tokens, clock
        self._passwords = PasswordChecker()
        self._by_pair = FailureThrottle(5, WINDOW_S, clock)
        self._by_peer = FailureThrottle(50, WINDOW_S, clock)

    async def login(self, user: str, password: str, peer: str) -> Session:
        """Check a password.

        Raises:
            Unauthenticated: no such user, a wrong password or a disabled user: not told apart, and equally slow.
            TooManyRequests: this peer failed too often.
        """
        pair = f"{peer} {user}"
        self._by_peer.check(peer)
        self._by_pair.attempt(pair)
        self._by_peer.attempt(peer)
        async with self._tenancy.unrestricted() as connection:
            row = await table.find(connection, user)
        if not await self._passwords.matches(row.password_hash if row else None, password) or row is None or row.disabled:
            raise Unauthenticated(WRONG)
        self._by_pair.forget(pair)
        self._by_peer.forgive(peer)
        async with self._tenancy.unrestricted() as connection:
            return await self._session(connection, row, secrets.token_hex(16), self._now() + REFRESH_LIFE)

    async def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for a new pair. A token used twice ends its family: one of the users is a thief.

        Raises:
            Unauthenticated: unknown, used before, run out, or its user is disabled.
        """
        digest = _digest(refresh_token)
        async with self._tenancy.unrestricted() as connection:
            used = await refresh_table.use(connection, digest, self._now())
            row = await table.find(connection, used[0]) if used else None
            if used is not None and row is not None and not row.disabled:
                return await self._session(connection, row, used[1], used[2])
            await self._end_if_stolen(connection, digest)
        raise Unauthenticated("the refresh token is not valid; sign in again")

    async def _end_if_stolen(self, connection: Connection, digest: bytes) -> None:
        family = await refresh_table.family_of_used(connection, digest)
        if family is not None:
            _log.warning("refresh_token_reused", family=family)
            await refresh_table.end_family(connection, family)

    async def logout(self, principal: Principal) -> None:
        """End the sign-in that the access token descends from. The access token itself runs out within 15 minutes."""
        async with self._tenancy.unrestricted() as connection:
            await refresh_table.end_family(connection, principal.family)

    async def _session(self, connection: Connection, row: UserRow, family: str, until: datetime) -> Session:
        refresh_token = secrets.token_urlsafe(32)
        await refresh_table.insert(connection, _digest(refresh_token), row.id, family, until)
        principal = Principal(row.id, row.role, row.organization, row.all_organizations, family)
        return Session(
            access_token=self._tokens.issue(principal), expires_in=ACCESS_S, refresh_token=refresh_token, user=as_user(principal)
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def as_user(principal: Principal) -> User:
    """The principal on the wire."""
    return User(
        id=principal.id,
        role=principal.role,
        organization=principal.organization,
        all_organizations=principal.all_organizations,
    )


async def add_user(
    connection: Connection, user: str, password: str, role: Role, organization: str, *, all_organizations: bool = False
) -> None:
    """Add a user. A tenant's transaction adds only to what it sees.

    Raises:
        Conflict: the name is taken.
        InvalidInput: the password is too short, or there is no such organization.
    """
    await organizations.require(connection, organization)
    row = UserRow(user, organization, await _hashed(password), role, all_organizations, disabled=False)
    if not await table.insert(connection, row):
        raise Conflict(f"the name {user} is taken")


async def set_password(connection: Connection, user: str, password: str) -> None:
    """Replace a password and end all the user's sign-ins. Needs the owner's connection: no tenant touches refresh tokens.

    Raises:
        NotFound: there is no such user.
        InvalidInput: the password is too short.
    """
    if not await table.set_password_hash(connection, user, await _hashed(password)):
        raise NotFound(f"there is no user {user}")
    await refresh_table.end_user(connection, user)


async def _hashed(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise InvalidInput("password", f"must have at least {MIN_PASSWORD} characters")
    return await asyncio.to_thread(hash_password, password)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
