"""A second platform whose readings are in a TimescaleDB that is given; everything in it may be dropped."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from ingest import timescale_table
from ingest.engine import engine_of
from iotsphere.infra.postgres import Pool
from tests.bench.logs import tracebacks
from tests.bench.stage import Stage, stage
from tests.support.platform import platform

GIVEN = os.environ.get("IOTSPHERE_TEST_TIMESCALE_DSN", "")
REORGANIZE_SECONDS = 900.0
_COLUMNSTORE = """
select job_id from timescaledb_information.jobs
where proc_name = 'policy_compression' and hypertable_schema = 'telemetry' and hypertable_name = 'telemetry'
"""
_TABLES = """
select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
from timescaledb_information.continuous_aggregates where view_schema = 'telemetry'
union all select 'telemetry.telemetry'
"""


@asynccontextmanager
async def beside(the: Stage) -> AsyncIterator[Stage]:
    """The same stage over it; the first platform idles meanwhile."""
    root, figures = the.certificates.with_name("timescale"), the.figures
    figures.say("a second platform starts, with its readings in TimescaleDB …")
    with platform(root, demo=False, telemetry_dsn=GIVEN) as it:
        async with stage(it, figures, root.with_name("timescale-devices")) as other:
            engine = await engine_of(other.connection)
            figures.check(engine.name == "timescale", f"the given server is no TimescaleDB: {engine.why}")
            yield other
        figures.check(not (found := tracebacks(it.home.logs)), f"unexpected exceptions in {', '.join(found)} over TimescaleDB")


async def version(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    """Of the extension."""
    return str(await connection.fetchval("select extversion from pg_extension where extname = 'timescaledb'"))


async def reorganize(pool: Pool) -> list[str]:
    """Do what its policies do by and by: refresh the aggregates, and put old days into the columnstore; the tables there are."""
    async with pool.acquire() as connection:
        await timescale_table.refresh(connection)
        await connection.execute(f"call run_job({await connection.fetchval(_COLUMNSTORE)})", timeout=REORGANIZE_SECONDS)
        return [row["name"] for row in await connection.fetch(_TABLES)]
