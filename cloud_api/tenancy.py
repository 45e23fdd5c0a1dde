"""Transactions that see one organization only: PostgreSQL itself refuses the rows of the others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = object, object

EVERY_ORGANIZATION = "*"
ACQUIRE_S = 5.0
_BECOME_TENANT = "select set_config('role', 'iotsphere_tenant', true), set_config('iotsphere.organization', $1, true)"


class Tenancy:
    """Opens transactions on a pool.

    Args:
        pool: its user is a member of the role ``iotsphere_tenant`` and owns the tables.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, scope: str) -> AsyncIterator[Connection]:
        """A transaction as the tenant role, which sees rows of one organization, or of all for EVERY_ORGANIZATION.

        Raises:
            TimeoutError: no connection came free within ACQUIRE_S.
        """
        async with self._pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            await connection.execute(_BECOME_TENANT, scope)
            yield connection

    async def row(self, query: str, scope: str, *arguments: object) -> "asyncpg.Record | None":
        """A row of a function that takes the scope first and becomes the tenant by itself: one round trip instead of four.

        Raises:
            TimeoutError: no connection came free within ACQUIRE_S.
        """
        async with self._pool.acquire(timeout=ACQUIRE_S) as connection:
            return await connection.fetchrow(query, scope, *arguments)

    @asynccontextmanager
    async def unrestricted(self) -> AsyncIterator[Connection]:
        """A transaction as the owner: for sign-in, which happens before there is a tenant, and for secrets.

        Raises:
            TimeoutError: no connection came free within ACQUIRE_S.
        """
        async with self._pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            yield connection
