"""Shadow documents in Redis: ``device:{id}:reported | desired | delta`` (JSON of the section) and ``device:{id}:shadow``.

PostgreSQL holds the truth and Redis a copy that is never trusted blindly. Each copy carries the run id of the server that it was
written to, and the read script compares it with the server's own: what an append-only file brought back after a crash, perhaps
without its last second, is not served before it was compared with PostgreSQL. Nor is a copy older than the version that a writer
announced before its commit. The scripts never look into the JSON, which Lua's own JSON library would damage.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from iotsphere.infra.postgres import AWAY
from shadow.document import Document, decode, encode
from shadow.metrics import ShadowMetrics
from shadow.shadow_table import FIRST, Key, ShadowTable

log = structlog.get_logger()

REDIS_AWAY = (RedisError, OSError, TimeoutError)
TIMEOUT_S = 0.5
CONNECTIONS = 16
REPAIR_EVERY_S = 1.0
PAGE = 500

_RUN = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
"""
# KEYS: shadow, desired, reported, delta. Only the script writes these keys.
_WRITE = (
    _RUN
    + """
local held = redis.call('HMGET', KEYS[1], 'version', 'run')
if held[1] and held[2] == run and tonumber(held[1]) > tonumber(ARGV[1]) then return tonumber(held[1]) end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'desired_version', ARGV[2], 'reported_version', ARGV[3], 'deleted', ARGV[4],
           'timestamp', ARGV[5], 'metadata', ARGV[6], 'pending', ARGV[7], 'run', run)
for i = 2, 4 do
    if ARGV[i + 6] == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], ARGV[i + 6]) end
end
return 0
"""
)
_READ = (
    _RUN
    + """
local held = redis.call('HMGET', KEYS[1], 'version', 'desired_version', 'reported_version',
                        'deleted', 'timestamp', 'metadata', 'pending', 'run', 'expected')
if held[8] ~= run or tonumber(held[1]) < tonumber(held[9] or 0) then return false end
held[8] = redis.call('GET', KEYS[2])
held[9] = redis.call('GET', KEYS[3])
return held
"""
)
_VERSION = (
    _RUN
    + """
local held = redis.call('HMGET', KEYS[1], 'run', 'version')
return held[1] == run and tonumber(held[2]) or -1
"""
)
# Before a commit: whoever commits may die before he writes.
_EXPECT = """
local known = redis.call('HGET', KEYS[1], 'expected')
if not known or tonumber(known) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'expected', ARGV[1]) end
"""
_FORGET = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
return redis.call('DEL', unpack(KEYS))
"""


def connect(url: str) -> "Redis":
    """A client with short time-outs, since there is somewhere else to read, and one retry for a pooled connection that died.

    Whoever finds all connections taken waits for one: the ordinary pool would raise, and a burst would look like a failure.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)


def keys_of(key: Key) -> list[str]:
    """The keys of a document; the braces are Redis Cluster's hash tag, so that one script may touch them all."""
    device, name = key
    prefix = f"device:{{{device}}}:" + (f"name:{name}:" if name else "")
    return [prefix + part for part in ("shadow", "desired", "reported", "delta")]


class ShadowCache:
    """Reads shadows, from Redis where that is sure to be current, else from PostgreSQL.

    Args:
        redis: see connect().
    """

    def __init__(self, redis: "Redis", pool: "asyncpg.Pool[asyncpg.Record]", metrics: ShadowMetrics | None = None) -> None:
        self._redis = redis
        self._table = ShadowTable(pool)
        self._metrics = metrics or ShadowMetrics()
        self._write = redis.register_script(_WRITE)
        self._read = redis.register_script(_READ)
        self._version = redis.register_script(_VERSION)
        self._expect = redis.register_script(_EXPECT)
        self._forget = redis.register_script(_FORGET)
        self._repair_due = asyncio.Event()
        self._behind = False
        self._is_lost = False
        self._task: asyncio.Task[None] | None = None

    @property
    def behind(self) -> bool:
        """Whether Redis may lack what this process had to write: then nothing is read from it."""
        return self._behind

    def start(self) -> None:
        """Compare Redis with PostgreSQL in the background: now, for a crash may have come between the two, and after failures."""
        self._behind = True
        self._repair_due.set()
        self._task = asyncio.create_task(self._repair_when_behind(), name="shadow-cache-repair")

    async def stop(self) -> None:
        """End the background task; the client is the caller's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def get(self, key: Key) -> Document | None:
        """The document, None when there never was one.

        Raises:
            OSError, asyncpg.PostgresError: Redis cannot serve it and PostgreSQL is away (see infra.postgres.AWAY).
        """
        document = None if self.behind else await self._from_redis(key)
        if document is not None:
            self._metrics.from_redis.inc()
            return document
        self._metrics.from_postgres.inc()
        document = (await self._table.load([key])).get(key)
        if document is not None and not self.behind:
            await self.put({key: document})
        return document

    async def expect(self, versions: Mapping[Key, int]) -> None:
        """Let nobody be served an older copy than these versions, which are about to be committed.

        A writer that dies between its commit and put() then leaves a copy that is passed over, not one that is believed. Waits
        for Redis, the only one that a commit waits for beside PostgreSQL: TIMEOUT_S at most, and not again until it is back.
        """
        if self._is_lost:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
                for key, version in versions.items():
                    await self._expect(keys=keys_of(key)[:1], args=[version], client=pipe)
                await pipe.execute()
        except REDIS_AWAY as error:
            self._lost(error)

    async def put(self, documents: Mapping[Key, Document]) -> None:
        """Write documents unless Redis has newer ones. Never raises for an absent store: Redis is repaired when both are back."""
        if self._repair_due.is_set():
            return  # the repair that is to begin will find them
        try:
            if newer := await self._replace(documents):
                await self._forget_unknown(newer)
        except (*REDIS_AWAY, *AWAY) as error:
            self._lost(error)

    async def repair(self) -> int:
        """Compare every document with Redis and write what it lacks; returns how many that were.

        Raises:
            RedisError, OSError, asyncpg.PostgresError: one of the two is away.
        """
        repaired, after = 0, FIRST
        while page := await self._table.versions(after, PAGE):
            after = page[-1][:2]
            held = await self._held(page)
            old = [(device, name) for device, name, version in page if held[device, name] < version]
            for start in range(0, len(old), 100):
                await self._replace(await self._table.load(old[start : start + 100]))
            newer = {(device, name): held[device, name] for device, name, version in page if held[device, name] > version}
            repaired += len(old) + await self._forget_unknown(newer)
        self._metrics.repaired.inc(repaired)
        return repaired

    async def _from_redis(self, key: Key) -> Document | None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                held = await self._read(keys=keys_of(key))
        except REDIS_AWAY as error:
            self._lost(error)
            return None
        return None if held is None else _document(held)

    async def _held(self, page: Sequence[tuple[str, str, int]]) -> dict[Key, int]:
        """The versions that Redis has of these documents, -1 for none."""
        async with asyncio.timeout(TIMEOUT_S + len(page) / 1000), self._redis.pipeline(transaction=False) as pipe:
            for device, name, _ in page:
                await self._version(keys=keys_of((device, name)), client=pipe)
            found = await pipe.execute()
        return {(device, name): held for (device, name, _), held in zip(page, found, strict=True)}

    async def _replace(self, documents: Mapping[Key, Document]) -> dict[Key, int]:
        """Write; returns the versions of those that Redis has newer."""
        async with asyncio.timeout(TIMEOUT_S + len(documents) / 1000), self._redis.pipeline(transaction=False) as pipe:
            for key, document in documents.items():
                await self._write(keys=keys_of(key), args=_arguments(document), client=pipe)
            held = await pipe.execute()
        return {key: version for key, version in zip(documents, held, strict=True) if version}

    async def _forget_unknown(self, newer: Mapping[Key, int]) -> int:
        """Delete copies that PostgreSQL knows nothing of, as after it was restored or lost a commit; returns how many.

        What Redis holds was committed before it was written, so a version read from PostgreSQL afterwards is not below it.
        """
        if not newer:
            return 0
        known = await self._table.load(newer)
        unknown = {key: held for key, held in newer.items() if key not in known or known[key].version < held}
        for key, held in unknown.items():
            await self._forget(keys=keys_of(key), args=[held])
        return len(unknown)

    def _lost(self, error: BaseException) -> None:
        self._metrics.redis_failures.inc()
        self._behind = True
        self._repair_due.set()
        if not self._is_lost:
            log.warning(
                "shadows are read from PostgreSQL until Redis has been compared", error=str(error) or type(error).__name__
            )
            self._is_lost = True

    async def _repair_when_behind(self) -> None:
        while True:
            await self._repair_due.wait()
            self._repair_due.clear()  # what is not written from here on asks for another round
            try:
                repaired = await self.repair()
            except (*REDIS_AWAY, *AWAY) as error:
                self._lost(error)
                await asyncio.sleep(REPAIR_EVERY_S)
                continue
            if not self._repair_due.is_set():
                log.info("shadows in Redis are as in PostgreSQL", repaired=repaired)
                self._behind = self._is_lost = False


def _arguments(document: Document) -> list[Any]:
    sections = (document.desired, document.reported, document.delta)
    return [
        document.version, document.desired_version, document.reported_version, int(document.deleted), document.timestamp,
        encode(document.metadata), encode(document.pending),
        *(b"" if section is None else encode(section) for section in sections),
    ]  # fmt: skip


def _document(held: list[bytes | None]) -> Document:
    version, desired_version, reported_version, deleted, timestamp, metadata, pending, desired, reported = held
    return Document(
        version=int(version or 0),
        desired=decode(desired) if desired else None,
        reported=decode(reported) if reported else None,
        metadata=decode(metadata or b"{}"),
        desired_version=int(desired_version or 0),
        reported_version=int(reported_version or 0),
        deleted=deleted == b"1",
        timestamp=int(timestamp or 0),
        pending=decode(pending or b"{}"),
    )
