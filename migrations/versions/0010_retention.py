"""How long readings and rollups are kept: for the installation, and shorter for an organization."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        create table telemetry.retention (
            organization_id text not null,  -- '*': the installation
            what text not null check (what in ('raw', '1m', '1h', '1d')),
            days integer check (days between 1 and 36500),  -- null: for ever, rollups only
            changed_at timestamptz not null default now(),
            primary key (organization_id, what),
            check (organization_id = '*' or what = 'raw'),
            check (days is not null or what <> 'raw')
        )
        """
    )
    op.execute("create index rollup_dirty_bucket on telemetry.rollup_dirty (bucket) where level = 0")  # before a day is dropped
