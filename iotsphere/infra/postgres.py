"""PostgreSQL: pools, and waiting for a server that is away."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import asyncpg
import structlog

from iotsphere.errors import StoreUnavailable

log = structlog.get_logger()
Result = TypeVar("Result")
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# The server is away, starts, stops, is full, or was promoted: nothing is wrong with what was sent.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a rollback on a connection says that died in the middle of a statement
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0


class _Plain(asyncpg.Connection[asyncpg.Record] if TYPE_CHECKING else asyncpg.Connection):  # type: ignore[misc]
    """Without the RESET that asyncpg sends at every release: a round trip, and 0.6 ms of CPU, for each query of a pool.

    We keep no state in a session: what is set is set for a transaction, and an open one is rolled back all the same.
    """

    def get_reset_query(self) -> str:
        return ""


# What asyncpg.create_pool() gives a pool.
_DEFAULTS: Mapping[str, Any] = {
    "connect": None, "setup": None, "init": None, "reset": None, "loop": None, "init_size": None,
    "record_class": asyncpg.Record, "max_queries": 50_000, "max_inactive_connection_lifetime": 300.0,
}  # fmt: skip


class _QuickPool(asyncpg.Pool[asyncpg.Record] if TYPE_CHECKING else asyncpg.Pool):  # type: ignore[misc]
    """Nobody waits until a connection is back in the pool.

    asyncpg's release is a task behind a shield: of the 5 turns of the event loop that a statement of a pool took, 3 were it. In
    a process that is busy with readings a turn takes some 3 ms.
    """

    def __init__(self, dsn: str, **settings: Any) -> None:
        super().__init__(dsn, **_DEFAULTS, **settings)
        self._releasing: set[asyncio.Task[None]] = set()

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        task = asyncio.create_task(super().release(connection, timeout=timeout), name="postgres-release")
        self._releasing.add(task)
        task.add_done_callback(self._released)

    def _released(self, task: "asyncio.Task[None]") -> None:
        self._releasing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # the driver has closed the connection
            log.debug("a connection could not be given back", error=str(error))


async def make_pool(
    dsn: str, *, name: str, low: int = 1, high: int = 8, plan: Literal["auto", "force_generic_plan"] = "auto"
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool whose connections are named in pg_stat_activity.

    Args:
        plan: ``force_generic_plan`` when all its statements go by indexes, whatever their arguments: PostgreSQL would else plan
            one with arrays anew at each execution, which takes as long as the execution itself.
    """
    pool: Pool = await _QuickPool(
        dsn,
        min_size=low,
        max_size=high,
        command_timeout=30,
        connection_class=_Plain,
        server_settings={"application_name": f"iotsphere {name}", "jit": "off", "plan_cache_mode": plan},
    )
    return pool


class Patience:
    """Tells once that the store is away and once that it is back, and how long to wait in between."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._wait = FIRST_WAIT
        self.away = False

    async def lost(self, error: BaseException) -> None:
        """The store did not answer: wait, longer each time, with jitter."""
        if not self.away:
            log.warning("the store is away, waiting for it", what=self._what, error=str(error) or type(error).__name__)
            self.away = True
        await asyncio.sleep(self._wait * random.uniform(0.5, 1.0))
        self._wait = min(self._wait * 2, LONGEST_WAIT)

    def back(self) -> None:
        """The store answered."""
        if self.away:
            log.info("the store is back", what=self._what)
            self.away = False
        self._wait = FIRST_WAIT


async def wait_out(patience: Patience, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat an idempotent attempt until the store answers. Cancel it to give up."""
    while True:
        try:
            result = await attempt()
        except AWAY as error:
            await patience.lost(error)
        else:
            patience.back()
            return result


@asynccontextmanager
async def unavailable_as_ours() -> AsyncIterator[None]:
    """Turn the driver's many ways of being away into StoreUnavailable.

    Raises:
        StoreUnavailable: the store is away.
    """
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable(str(error) or type(error).__name__) from error


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as the arrays that unnest() takes: ``width`` of them, also when there are no rows."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
