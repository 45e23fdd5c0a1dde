"""How the supervisor sees whether a program works."""

import asyncio
import urllib.error
from collections.abc import Awaitable, Callable
from enum import StrEnum
from http.client import HTTPException

import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from launcher import loopback

TIMEOUT_S = 3.0


class Health(StrEnum):
    """``unready`` answers, but does not work now (a neighbour is away); ``silent`` does not answer."""

    READY = "ready"
    UNREADY = "unready"
    SILENT = "silent"


Probe = Callable[[], Awaitable[Health]]


def http(url: str) -> Probe:
    """Ready when the URL answers 200."""

    async def probe() -> Health:
        return await asyncio.to_thread(_get, url)

    return probe


def _get(url: str) -> Health:
    try:
        loopback.get(url, TIMEOUT_S)
    except urllib.error.HTTPError as answer:
        answer.close()
        return Health.UNREADY
    except (OSError, HTTPException):
        return Health.SILENT
    return Health.READY


def postgres(dsn: str) -> Probe:
    """Ready when the server lets us in."""

    async def probe() -> Health:
        try:
            connection = await asyncpg.connect(dsn, timeout=TIMEOUT_S)
            await connection.close()
        except asyncpg.PostgresError:
            return Health.UNREADY  # it starts, recovers or is full
        except (OSError, TimeoutError, asyncpg.InterfaceError):
            return Health.SILENT
        return Health.READY

    return probe


def valkey(url: str) -> Probe:
    """Ready when the server answers PING; while it loads its file it is not."""

    async def probe() -> Health:
        try:
            async with redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as client:
                await client.ping()
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            return Health.UNREADY if isinstance(error, redis.BusyLoadingError) else Health.SILENT
        except RedisError:
            return Health.UNREADY
        return Health.READY

    return probe


async def runs() -> Health:
    """For a program that has no door to knock at: it is ready as long as it runs."""
    return Health.READY
