"""Accounts of the sequence numbers of devices, the journal that they are kept from, and a place to admit losses."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # What arrived, one row a batch, written with its readings. A fold moves it into the accounts every few seconds.
    """
    create table telemetry.arrivals (
        id bigint primary key,
        at timestamptz not null default now(),
        keys text not null,  -- a line each: organization, device, session, boot
        firsts bigint[] not null,
        lasts bigint[] not null,
        newest bigint[] not null,
        odd_keys text not null,  -- repeated and late ones, and what a device declares lost: no messages
        odd_firsts bigint[] not null,
        odd_lasts bigint[] not null,
        odd_messages bigint[] not null,
        odd_late bigint[] not null
    )
    """,
    # It lives for seconds: compressing it would cost more than the space.
    """
    alter table telemetry.arrivals alter keys set storage external, alter firsts set storage external,
        alter lasts set storage external, alter newest set storage external
    """,
    """
    create table telemetry.sequences (
        device_id text not null,
        organization_id text not null,  -- who owned it when it sent them: another owner's account is another one
        session bigint not null,  -- 0 when the device names its boot
        boot text not null,
        seen int8multirange not null default '{}',
        dropped int8multirange not null default '{}',  -- declared lost by the device
        messages bigint not null default 0,
        late bigint not null default 0,
        newest bigint not null default 0,  -- no event time is later, ms since the Unix epoch
        settled_below bigint,  -- what is below is only counted
        settled_received bigint not null default 0,
        settled_missing bigint not null default 0,
        settled_declared bigint not null default 0,
        received bigint not null default 0,  -- these three follow from the others: they are there to be summed
        missing bigint not null default 0,
        declared bigint not null default 0,
        began_at timestamptz not null,
        heard_at timestamptz not null,
        primary key (device_id, organization_id, session, boot)
    ) with (fillfactor = 60)
    """,  # room in each page, so that an update changes no index
    """
    create function telemetry.numbers(ranges int8multirange) returns bigint immutable parallel safe language sql
        return coalesce((select sum(upper(r) - lower(r)) from unnest(ranges) r), 0)::bigint
    """,
    # Readings that were acknowledged and could not be kept in any form: to be counted, and to be empty.
    """
    create table telemetry.losses (
        id bigint generated always as identity primary key,
        at timestamptz not null default now(),
        device_id text not null,
        organization_id text not null
    )
    """,
    "grant select on telemetry.arrivals, telemetry.sequences, telemetry.losses to iotsphere_tenant",
    "alter table telemetry.arrivals enable row level security",  # without a policy: nobody's
    "alter table telemetry.sequences enable row level security",
    "alter table telemetry.losses enable row level security",
    "create policy tenant on telemetry.losses to iotsphere_tenant using (registry.tenant_sees(organization_id))",
    "create policy tenant on telemetry.sequences to iotsphere_tenant using (registry.tenant_sees(organization_id))",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
