"""Rollups by the minute, hour and day, and the marks that say which of them lag behind the readings."""

from alembic import op

revision = "0007"
down_revision = "0006"

_NUMBERS = """
    device_id text not null,
    measurement text not null,
    bucket timestamptz not null,  -- where it begins
    count bigint not null,
    sum double precision not null,
    min double precision not null,
    max double precision not null,
    first double precision not null,  -- by event time
    last double precision not null,
    sources smallint not null  -- a bit for each provenance of its readings
"""

STATEMENTS = (
    # The order of the bits is the order of ingest.rollups.SOURCES; a test compares them.
    """
    create function telemetry.source_bit(metadata jsonb) returns smallint immutable parallel safe language sql
        return case when metadata is null then 1 else
            case coalesce(metadata->>'source', 'device')
                when 'device' then 1 when 'simulation' then 2 when 'replay' then 4 when 'import' then 8
                when 'predicted' then 16 when 'manual' then 32 else 64 end
        end::smallint
    """,
    # By month: as many partitions as a plan can bear, and retention that drops.
    f"create table telemetry.rollup_1m ({_NUMBERS}, primary key (device_id, measurement, bucket)) partition by range (bucket)",
    # A month by the hour, of a hundred devices too, is read from the index alone.
    f"""
    create table telemetry.rollup_1h ({_NUMBERS},
        primary key (device_id, measurement, bucket) include (count, sum, min, max, first, last, sources))
    """,
    f"create table telemetry.rollup_1d ({_NUMBERS}, primary key (device_id, measurement, bucket))",
    "create index rollup_1h_bucket on telemetry.rollup_1h using brin (bucket)",  # retention
    "create index rollup_1d_bucket on telemetry.rollup_1d using brin (bucket)",
    # A bucket of a device without any mark agrees with the level below. A mark is committed with what made it stale.
    """
    create table telemetry.rollup_dirty (
        level smallint not null,  -- 0 minute, 1 hour, 2 day
        writer integer not null,  -- who may rely on it; 0: nobody
        id bigint generated always as identity,
        device_id text not null,
        bucket timestamptz not null,
        primary key (level, writer, id)
    )
    """,
    "create index rollup_dirty_device on telemetry.rollup_dirty (device_id, bucket)",  # every read
    "create sequence telemetry.rollup_writers as integer cycle",
    # What was stored before there were rollups.
    """
    insert into telemetry.rollup_dirty (level, writer, device_id, bucket)
    select distinct 0, 0, device_id, date_bin('1 minute', timestamp, '2000-01-03 00:00+00') from telemetry.telemetry
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
