"""A device may not take the id of a service, whoever's that is: tenants do not see each other's certificates."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """create function registry.is_service_id(id text) returns boolean stable language sql security definer
           set search_path = registry
           return exists (select from registry.certificates c where c.subject_id = is_service_id.id and c.kind = 'service')"""
    )
