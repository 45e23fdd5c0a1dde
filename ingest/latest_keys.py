"""The keys of latest values in Valkey, and the scripts that write them.

A device has one hash, ``device:{id}:latest`` (the braces are literal: they make all keys of a device share a slot): a field a
measurement, and ``$``, the generation in which the hash was complete. ``latest:generation`` names the present one: the run id of
the server and a token that the writer drew when it started. A hash of another generation may lack what a crash of the server or
of the writer has lost; it is compared with PostgreSQL before it counts again.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import redis.asyncio

from ingest.latest_value import LatestValue, read

GENERATION = "latest:generation"
COMPLETE = "$"
FIELDS = 512  # of a hash; policy when full: another measurement is left out until the hash is gone

# INFO has a hundred lines, which the driver would take apart for each read.
_RUN_ID = "return assert(string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'))"
_SCRIPT = f"""
if ARGV[2] == 'put' and redis.call('HGET', KEYS[1], '$') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  local wanted
  if old then
    wanted = tonumber(string.match(old, '^%d+')) < tonumber(string.match(ARGV[i + 1], '^%d+'))
  else
    wanted = redis.call('HLEN', KEYS[1]) < {FIELDS}
  end
  if wanted then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
if ARGV[2] == 'fill' then redis.call('HSET', KEYS[1], '$', ARGV[1]) end
return 1
"""


class LatestKeys:
    """Reads and writes of the hashes. Raises what redis raises."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._redis = client
        self._script = client.register_script(_SCRIPT)

    async def generation(self) -> tuple[str, str | None]:
        """Run id of the server, and the generation if there is one."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.eval(_RUN_ID, 0)
            pipe.get(GENERATION)
            run_id, found = await pipe.execute()
        return run_id.decode(), _text(found)

    async def begin(self, run_id: str) -> str:
        """Make a new generation: no hash counts before it was compared with PostgreSQL."""
        generation = f"{run_id}:{secrets.token_hex(8)}"
        await self._redis.set(GENERATION, generation)
        return generation

    async def read(self, devices: Sequence[str]) -> tuple[str | None, list[dict[str, LatestValue]], list[bool]]:
        """The present generation (None: there is none), each device's values, and whether they are complete."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.eval(_RUN_ID, 0)
            pipe.get(GENERATION)
            for device in devices:
                pipe.hgetall(_key(device))
            run_id, found, *hashes = await pipe.execute()
        generation = _text(found)
        if generation is not None and not generation.startswith(run_id.decode()):
            generation = None
        texts = [{_text(k) or "": _text(v) or "" for k, v in fields.items()} for fields in hashes]
        complete = [generation is not None and fields.pop(COMPLETE, None) == generation for fields in texts]
        values = [{key: read(text) for key, text in fields.items() if key != COMPLETE} for fields in texts]
        return generation, values, complete

    async def put(self, generation: str, texts: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Write newer values; returns the devices whose hash is not complete and was left alone."""
        done = await self._run("put", generation, texts)
        return [device for device, wrote in zip(texts, done, strict=True) if not wrote]

    async def fill(self, generation: str, texts: Mapping[str, Mapping[str, str]]) -> None:
        """Write newer values and call the hashes complete."""
        await self._run("fill", generation, texts)

    async def distrust(self, devices: Sequence[str]) -> None:
        """These hashes are not complete any more."""
        if devices:
            async with self._redis.pipeline(transaction=False) as pipe:
                for device in devices:
                    pipe.hdel(_key(device), COMPLETE)
                await pipe.execute()

    async def _run(self, how: str, generation: str, texts: Mapping[str, Mapping[str, str]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for device, fields in texts.items():
                pairs = [word for pair in fields.items() for word in pair]
                await self._script(keys=[_key(device)], args=[generation, how, *pairs], client=pipe)
            return await pipe.execute()


def _key(device: str) -> str:
    return f"device:{{{device}}}:latest"


def _text(found: bytes | str | None) -> str | None:
    return found.decode() if isinstance(found, bytes) else found
