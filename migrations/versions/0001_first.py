"""Registry, assets, operations, shadows and telemetry.

Each index says which read it is for. There is no downgrade: `up` takes a backup before it migrates, and `restore` brings it back.
"""

from alembic import op

revision = "0001"
down_revision = None

REGISTRY = """
create schema registry;
create table registry.organizations (
    id text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text not null,
    created_at timestamptz not null default now()
);
create table registry.users (
    id text primary key,
    organization_id text not null references registry.organizations,
    password_hash text not null,
    role text not null check (role in ('admin', 'operator', 'viewer')),
    all_organizations boolean not null default false,
    disabled boolean not null default false,
    created_at timestamptz not null default now()
);
create table registry.refresh_tokens (
    token_hash bytea primary key,
    user_id text not null references registry.users on delete cascade,
    family text not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index refresh_tokens_family on registry.refresh_tokens (family);  -- a reused token ends its whole family
create table registry.devices (
    id text primary key check (id ~ '^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$'),
    device_key text not null,
    device_type text not null,
    manufacturer text not null,
    status text not null default 'registered' check (status in ('registered', 'active', 'disabled', 'retired')),
    last_connected timestamptz,
    created_at timestamptz not null default now(),
    certificate_info jsonb,
    organization_id text not null references registry.organizations,
    kind text not null check (kind in ('device', 'simulated')),
    changed_at timestamptz not null default now()
);
create index devices_changed on registry.devices (changed_at);  -- the sweep of the caches in `edge`
create index devices_organization on registry.devices (organization_id, device_type, id);  -- fleet lists, by page
create table registry.certificates (
    serial text primary key,  -- lower-case hexadecimal
    subject_id text not null,  -- a device's or a service's id
    kind text not null check (kind in ('device', 'simulated', 'service')),
    organization_id text not null references registry.organizations,
    fingerprint text not null,
    not_after timestamptz not null,
    issued_at timestamptz not null default now(),
    revoked_at timestamptz,
    revoked_reason text
);
create index certificates_revoked on registry.certificates (revoked_at) where revoked_at is not null;  -- the same sweep
create index certificates_subject on registry.certificates (subject_id);
create table registry.device_owner (
    device_id text not null references registry.devices,
    organization_id text not null references registry.organizations,
    "from" timestamptz not null default '-infinity',
    until timestamptz not null default 'infinity',
    primary key (device_id, "from")
);
create table registry.presence (
    device_id text primary key references registry.devices,
    session bigint not null,
    connected boolean not null,
    since timestamptz not null,
    reason text not null,
    node text not null
);
create table registry.sessions (
    device_id text not null references registry.devices,
    session bigint not null,
    connected_at timestamptz not null,
    disconnected_at timestamptz,
    reason text,
    node text not null,
    primary key (device_id, session)
);
create index sessions_end on registry.sessions (disconnected_at);  -- those that are open, after a crash; those that are old
create sequence registry.session_epoch;
create table registry.subscriptions (
    device_id text not null references registry.devices,
    filter text not null,
    qos smallint not null,
    primary key (device_id, filter)
);
"""

ASSET = """
create schema asset;
create table asset.locations (
    id text primary key,
    organization_id text not null references registry.organizations,
    name text not null,
    metadata jsonb
);
create table asset.capabilities (id text primary key, title text not null);
create table asset.assets (
    asset_id text primary key,
    device_id text references registry.devices,
    name text not null,
    model text not null,
    firmware_version text,
    install_date timestamptz,
    location_id text references asset.locations,
    owner_id text references registry.organizations,
    metadata jsonb
);
create index assets_device on asset.assets (device_id);
create table asset.asset_capabilities (
    asset_id text references asset.assets on delete cascade,
    capability_id text references asset.capabilities,
    implementation text not null,
    configuration jsonb,
    primary key (asset_id, capability_id)
);
"""

OPS = """
create schema ops;
create table ops.commands (
    id text primary key,
    device_id text not null references registry.devices,
    organization_id text not null references registry.organizations,
    name text not null,
    params json not null default '{}',  -- json, not jsonb: a device may send text with NUL in it
    status text not null check (status in
        ('queued', 'sent', 'delivered', 'in_progress', 'succeeded', 'failed', 'rejected', 'expired', 'cancelled', 'timed_out')),
    actor text not null,
    idempotency_key text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    changed_at timestamptz not null default now(),
    sent_session bigint,  -- the session it is sent in: it is sent again in another one
    transitions integer not null default 1,  -- rows in command_transitions: the next one gets its number under this row's lock
    reason json,
    result json,
    unique (organization_id, idempotency_key)
);
create index commands_open on ops.commands (device_id, created_at)
    where status in ('queued', 'sent', 'delivered', 'in_progress');  -- what is due at a CONNECT, at a wake, in the sweep
create index commands_device on ops.commands (device_id, created_at desc);  -- the device page
create table ops.command_transitions (
    command_id text not null references ops.commands on delete cascade,
    n integer not null,
    status text not null,
    at timestamptz not null default now(),
    actor text not null,
    reason json,
    primary key (command_id, n)
);
create table ops.events (
    device_id text not null,
    timestamp timestamptz not null,
    name text not null,
    severity text not null,
    data jsonb,
    received_at timestamptz not null default now(),
    primary key (device_id, timestamp, name)
);
create table ops.device_status (device_id text primary key, text text not null, at timestamptz not null);
create table ops.refusals (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    device_id text,  -- what the peer claims to be; null when it said nothing
    known boolean not null,  -- whether a device of that id is registered
    organization_id text,
    category text not null,
    reason text not null,
    topic text,
    peer text,
    count integer not null default 1
);
create index refusals_device on ops.refusals (device_id, id desc);  -- the device page: the last 100
create index refusals_unknown on ops.refusals (id desc) where not known;  -- for the admin
"""

SHADOW = """
create schema shadow;
create table shadow.documents (
    device_id text not null references registry.devices,
    name text not null default '',  -- '' is the classic shadow
    version bigint not null,
    desired json,  -- json, not jsonb: numbers stay as they were written
    reported json,
    metadata json not null default '{}',
    desired_version bigint not null default 0,
    reported_version bigint not null default 0,
    announced_version bigint not null default 0,
    deleted boolean not null default false,
    updated_at timestamptz not null default now(),
    primary key (device_id, name)
);
create index documents_due on shadow.documents (device_id) where announced_version < version;  -- the outbox
create table shadow.revisions (
    device_id text not null,
    name text not null,
    version bigint not null,
    at timestamptz not null default now(),
    actor text not null,
    update json not null,
    primary key (device_id, name, version)
);
"""

TELEMETRY = """
create schema telemetry;
create table telemetry.telemetry (
    device_id text not null,
    timestamp timestamptz not null,
    measurement text not null,
    value double precision,
    metadata jsonb,
    primary key (device_id, timestamp, measurement) include (value)  -- a history is read from the index alone
) partition by range (timestamp);
create table telemetry.boots (
    device_id text not null,
    boot text not null,
    offset_us bigint not null,  -- Unix time in µs at the device's up = 0
    seen_at timestamptz not null default now(),
    primary key (device_id, boot)
);
create table telemetry.dead_letters (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    device_id text not null,
    organization_id text,
    topic text not null,
    payload bytea not null,
    measurement text,
    category text not null,
    reason text not null
);
create index dead_letters_device on telemetry.dead_letters (device_id, id desc);
"""

TENANCY = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'iotsphere_tenant') then
        create role iotsphere_tenant nologin;
    end if;
exception when duplicate_object then null;
end $$;
grant iotsphere_tenant to current_user;
grant usage on schema registry, asset, ops, shadow, telemetry to iotsphere_tenant;
grant select, insert, update, delete on all tables in schema registry, asset, ops, shadow, telemetry to iotsphere_tenant;
grant usage on all sequences in schema registry, ops, telemetry to iotsphere_tenant;
create function registry.tenant_sees(organization text) returns boolean stable language sql
    return coalesce(organization = current_setting('iotsphere.organization', true)
                    or current_setting('iotsphere.organization', true) = '*', false);
create function registry.tenant_sees_device(device text) returns boolean stable language sql security definer
    set search_path = registry
    return exists (select from registry.devices where id = device and registry.tenant_sees(organization_id));
"""

BY_ORGANIZATION = ("registry.users", "registry.devices", "registry.certificates", "asset.locations", "ops.commands")
BY_DEVICE = (
    "registry.presence",
    "registry.sessions",
    "registry.subscriptions",
    "registry.device_owner",
    "asset.assets",
    "ops.events",
    "ops.device_status",
    "shadow.documents",
    "shadow.revisions",
)
BY_NULLABLE_ORGANIZATION = ("ops.refusals", "telemetry.dead_letters")


def upgrade() -> None:
    for block in (REGISTRY, ASSET, OPS, SHADOW, TELEMETRY, TENANCY):
        for statement in _statements(block):
            op.execute(statement)
    op.execute("insert into registry.organizations (id, name) values ('default', 'Default'), ('demo', 'Demonstration')")
    _secure("registry.organizations", "registry.tenant_sees(id)")
    for table in (*BY_ORGANIZATION, *BY_NULLABLE_ORGANIZATION):
        _secure(table, "registry.tenant_sees(organization_id)")
    for table in BY_DEVICE:
        _secure(table, "registry.tenant_sees_device(device_id)")
    # Values and secrets that no tenant session may touch directly: reached only by the services, after the device was seen.
    op.execute("revoke all on telemetry.telemetry, registry.refresh_tokens from iotsphere_tenant")


def _secure(table: str, condition: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy tenant on {table} to iotsphere_tenant using ({condition}) with check ({condition})")


def _statements(block: str) -> list[str]:
    """Split on semicolons at line ends outside $$ quotes: asyncpg prepares one statement at a time."""
    statements, current, quoted = [], [], False
    for line in block.splitlines():
        current.append(line)
        quoted ^= line.count("$$") % 2 == 1
        if not quoted and line.split("  --")[0].rstrip().endswith(";"):
            statements.append("\n".join(current))
            current = []
    return statements
