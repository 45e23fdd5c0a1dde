"""Before when raw readings have been let go: their rollups are all that is left of them."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        create table telemetry.raw_gone (
            organization_id text primary key,  -- '*': the installation
            before timestamptz not null
        )
        """
    )
