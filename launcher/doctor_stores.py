"""Checks of PostgreSQL and Valkey while the platform runs."""

from datetime import UTC, datetime, timedelta

import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

import migrations
from ingest import rollup_table
from ingest.engine import engine_of
from launcher.check import Check
from launcher.home import Endpoints

LAG = timedelta(minutes=10)  # a minute that ended so long ago should be in the rollups
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


async def examine(where: Endpoints, telemetry_dsn: str) -> list[Check]:
    """All of them."""
    found = [*await _postgres(where.dsn), *await _valkey(where.redis_url)]
    return [*found, *await _telemetry(telemetry_dsn or where.dsn)]


async def _postgres(dsn: str) -> list[Check]:
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [Check("database", "fail", f"PostgreSQL does not answer: {error}", "see `iotsphere logs postgres`")]
    try:
        version = await connection.fetchval("show server_version")
        settings = {name: await connection.fetchval(f"show {name}") for name in DURABLE}
    finally:
        await connection.close()
    return [Check("database", "ok", f"PostgreSQL {version} answers"), durability(settings), await _revision(dsn)]


def durability(settings: dict[str, str]) -> Check:
    """Whether a commit is on the disk when it is acknowledged, by the values of DURABLE."""
    off = [
        f"{name} = {value}" for name, value in settings.items() if value not in ("on", "remote_apply", "remote_write", "local")
    ]
    return Check(
        "durability", "fail" if off else "ok", ", ".join(off) or f"{', '.join(settings)} are on",
        "switch them on: an acknowledged reading could be lost when the power fails",
    )  # fmt: skip


async def _revision(dsn: str) -> Check:
    present, head = await migrations.current(dsn), migrations.head()
    level = "ok" if present == head else "fail"
    return Check("migrations", level, f"revision {present}, this version has {head}", "restart: `up` migrates after a backup")  # type: ignore[arg-type]


async def _telemetry(dsn: str) -> list[Check]:
    """Which telemetry engine is used, and why; whether its rollups keep up."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [Check("telemetry", "fail", f"its database does not answer: {error}", "see IOTSPHERE_TELEMETRY_DSN")]
    try:
        engine = await engine_of(connection)
        oldest = await rollup_table.oldest_mark(connection)
    finally:
        await connection.close()
    return [Check("telemetry", "ok", f"engine {engine.name}: {engine.why}"), lag(oldest, datetime.now(UTC))]


def lag(oldest: datetime | None, now: datetime) -> Check:
    """Whether rollups keep up, by the oldest minute that they lack; None when they lack none."""
    if oldest is None or now - oldest < LAG:
        return Check("rollups", "ok", "rollups keep up with the readings")
    return Check(
        "rollups", "warn", f"the minute of {oldest:%Y-%m-%d %H:%M} UTC is not in the rollups yet",
        "it passes after an import or an outage; else see `iotsphere logs edge`: until then no expired reading goes",
    )  # fmt: skip


async def _valkey(url: str) -> list[Check]:
    try:
        async with redis.asyncio.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            known = await client.info("persistence")
            server = await client.info("server")
    except (RedisError, OSError) as error:
        advice = "see `iotsphere logs valkey`; telemetry, shadows and commands go on, live values do not"
        return [Check("cache", "fail", f"Valkey does not answer: {error}", advice)]
    version = server.get("valkey_version") or server.get("redis_version")
    if not known.get("aof_enabled"):
        return [
            Check(
                "cache",
                "warn",
                f"Valkey {version} without append-only file",
                "set `appendonly yes`: a restart loses live streams",
            )
        ]
    if known.get("aof_last_write_status") != "ok":
        return [Check("cache", "fail", "Valkey cannot write its append-only file", "look at the disk")]
    return [Check("cache", "ok", f"Valkey {version} answers, append-only file on")]
