"""What every command of the command line begins with."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from pydantic import ValidationError

from cloud_api.tenancy import Connection
from iotsphere.errors import Misconfigured, StoreUnavailable
from iotsphere.settings import Settings
from launcher.home import Endpoints, Home
from launcher.where import endpoints

Result = TypeVar("Result")


def settings() -> Settings:
    """The settings of this process.

    Raises:
        Misconfigured: names the environment variable that is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"IOTSPHERE_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise Misconfigured(wrong) from error


def home() -> Home:
    """The state directory."""
    return Home(settings().home)


def where() -> Endpoints:
    """Where the platform is.

    Raises:
        Misconfigured: nothing runs.
    """
    return endpoints(settings(), home())


def telemetry_dsn() -> str:
    """The database of the schema ``telemetry``.

    Raises:
        Misconfigured: nothing runs.
    """
    return settings().telemetry_dsn or where().dsn


def with_database(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Run ``work`` with a connection to the platform's database.

    Raises:
        Misconfigured: nothing runs.
        StoreUnavailable: the database does not answer.
    """
    return _with(where().dsn, work)


def with_telemetry(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The same with the database of the schema ``telemetry``."""
    return _with(telemetry_dsn(), work)


def _with(dsn: str, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        try:
            connection = await asyncpg.connect(dsn, timeout=10)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise StoreUnavailable(f"the database does not answer: {error}") from error
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
