"""Dead letters can be looked at by those whose they are, replayed and dropped; what goes for want of room is counted."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    # One wish to have letters replayed. Those that still wait for it carry its id; it counts the others.
    """
    create table telemetry.replays (
        id text primary key,
        organization_id text not null,  -- of whoever asked; * for somebody who sees all
        asked_by text not null,
        asked_at timestamptz not null default now(),
        asked integer not null default 0,
        came_through integer not null default 0,
        failed integer not null default 0
    )
    """,
    """
    create table telemetry.dead_letters_gone (
        organization_id text primary key,
        letters bigint not null,
        newest timestamptz not null
    )
    """,
    """
    alter table telemetry.dead_letters
        add received_at timestamptz not null default now(),  -- when the message came: a replay reckons from it
        add size integer,  -- bytes of the message; the payload may be its beginning only
        add replays integer not null default 0,
        add replay text references telemetry.replays on delete set null
    """,
    # Of these two categories 4096 bytes were kept.
    """
    update telemetry.dead_letters set received_at = at,
        size = octet_length(payload) + (category in ('validation', 'clock') and octet_length(payload) = 4096)::integer
    """,
    "alter table telemetry.dead_letters alter size set not null, alter size set default 0",
    "create index dead_letters_organization on telemetry.dead_letters (organization_id, id desc)",  # the list, by page
    "create index dead_letters_waiting on telemetry.dead_letters (replay, id) where replay is not null",  # the replays
    "grant select, insert, update on telemetry.replays to iotsphere_tenant",
    "grant select on telemetry.dead_letters_gone to iotsphere_tenant",
    "alter table telemetry.replays enable row level security",
    "alter table telemetry.dead_letters_gone enable row level security",
    """create policy tenant on telemetry.replays to iotsphere_tenant
       using (registry.tenant_sees(organization_id)) with check (registry.tenant_sees(organization_id))""",
    "create policy tenant on telemetry.dead_letters_gone to iotsphere_tenant using (registry.tenant_sees(organization_id))",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
