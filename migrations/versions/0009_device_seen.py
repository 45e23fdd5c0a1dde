"""Whether a tenant sees a device, in one round trip: a command waits for it."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # It becomes the tenant for as long as it runs, so that the policies of the tables decide, as in a tenant's transaction.
    op.execute(
        """create function registry.device_seen(scope text, device text)
           returns table (id text, device_type text, organization_id text, kind text, status text)
           language plpgsql set role = 'iotsphere_tenant' as $$
           begin
               perform set_config('iotsphere.organization', scope, true);
               return query select d.id, d.device_type, d.organization_id, d.kind, d.status
                            from registry.devices d where d.id = device;
           end $$"""
    )
