"""What belongs to a tenant's rows is closed to other tenants as they are; the life of a command is written once."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    # Written by the services alone, which own the tables; a policy without rights to write is enough.
    "revoke insert, update, delete on ops.command_transitions from iotsphere_tenant",
    "alter table ops.command_transitions enable row level security",
    """create policy tenant on ops.command_transitions for select to iotsphere_tenant
       using (exists (select from ops.commands c where c.id = command_id))""",  # of those that the tenant sees
    "revoke all on telemetry.boots from iotsphere_tenant",
    "revoke insert, update, delete on asset.capabilities from iotsphere_tenant",  # words that all organizations share
    "alter table asset.asset_capabilities enable row level security",
    """create policy tenant on asset.asset_capabilities to iotsphere_tenant
       using (exists (select from asset.assets a where a.asset_id = asset_capabilities.asset_id))
       with check (exists (select from asset.assets a where a.asset_id = asset_capabilities.asset_id))""",
    # When a command is deleted, its row is gone before the cascade comes to these.
    """
    create function ops.guard_command_history() returns trigger language plpgsql as $$
    begin
        if tg_op = 'DELETE' and not exists (select from ops.commands where id = old.command_id) then
            return old;
        end if;
        raise check_violation using constraint = 'command_history',
            message = format('transition %s of command %s stays as it was written', old.n, old.command_id);
    end $$
    """,
    """
    create trigger history before update or delete on ops.command_transitions for each row
        execute function ops.guard_command_history()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
