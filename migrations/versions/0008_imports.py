"""How far the import of each file is: committed with its readings, so that one that was killed goes on where it was."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    create table telemetry.imports (
        id text primary key,  -- of the file's content and of how it is read
        file text not null,
        began_at timestamptz not null default now(),
        changed_at timestamptz not null default now(),
        ended_at timestamptz,
        position bigint not null default 0,  -- bytes of the file that are done
        line bigint not null default 0,
        stored bigint not null default 0,  -- readings, those included that were there already
        rejected bigint not null default 0,
        rejects_size bigint not null default 0  -- bytes of the file of rejected lines that belong to it
    )
    """,
    "alter table telemetry.imports enable row level security",  # without a policy: no tenant's
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
