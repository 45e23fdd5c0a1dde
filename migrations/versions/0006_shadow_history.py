"""Shadows know since when a wish is not in effect; revisions hold a snapshot now and then, from which any version is rebuilt."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "alter table shadow.documents add column pending json",  # desired property → since when, seconds since the Unix epoch
    "alter table shadow.documents add column pending_since timestamptz",  # the earliest of them
    # the devices that are not where they shall be
    "create index documents_pending on shadow.documents (device_id) where pending_since is not null",
    "alter table shadow.revisions add column snapshot json",  # the whole document after this update
    # the last snapshot before a moment; those that are old
    "create index revisions_snapshot on shadow.revisions (device_id, name, at) where snapshot is not null",
    """
    update shadow.revisions r
    set snapshot = json_build_object(
        'desired', d.desired, 'reported', d.reported, 'metadata', d.metadata, 'desired_version', d.desired_version,
        'reported_version', d.reported_version, 'deleted', d.deleted,
        'timestamp', floor(extract(epoch from d.updated_at))::bigint, 'pending', json_build_object())
    from shadow.documents d
    where r.device_id = d.device_id and r.name = d.name and r.version = d.version
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
