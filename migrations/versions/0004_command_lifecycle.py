"""The life cycle of commands is enforced in the database, for every writer; lanes, and what the delivery of a command took."""

from alembic import op

revision = "0004"
down_revision = "0003"

# The same as commands.lifecycle.TRANSITIONS; a test compares them.
LIFE = {
    "queued": "sent delivered in_progress succeeded failed rejected expired timed_out cancelled",
    "sent": "sent delivered in_progress succeeded failed rejected timed_out cancelled",
    "delivered": "sent in_progress succeeded failed rejected timed_out cancelled",
    "in_progress": "succeeded failed rejected timed_out cancelled",
    "timed_out": "succeeded failed rejected",
}
ROWS = ", ".join(f"('{source}', '{target}')" for source, targets in LIFE.items() for target in targets.split())

STATEMENTS = (
    "create table ops.command_lifecycle (source text, target text, primary key (source, target))",
    f"insert into ops.command_lifecycle values {ROWS}",  # noqa: S608 - constants of this file
    "grant select on ops.command_lifecycle to iotsphere_tenant",
    """
    alter table ops.commands
        add parallel boolean not null default false,  -- it waits for no other command of its device
        add answer_s double precision not null default 10,  -- so long the device may leave it unanswered before others go first
        add attempts integer not null default 0,  -- sessions that it was sent in
        add answer_by timestamptz,  -- of the last attempt
        add parked_at timestamptz  -- when others began to go first
    """,
    "alter table ops.command_transitions add session bigint",  # that it was sent or delivered in
    """
    create index commands_expiring on ops.commands (expires_at)
        where status in ('queued', 'sent', 'delivered', 'in_progress')
    """,
    """
    create index commands_unsent on ops.commands (device_id)
        where sent_session is null and status in ('queued', 'sent', 'delivered', 'in_progress')
    """,
    """
    create index commands_unanswered on ops.commands (answer_by)
        where parked_at is null and not parallel and status in ('queued', 'sent', 'delivered')
    """,
    # A state changes only along the table.
    """
    create function ops.guard_command() returns trigger language plpgsql as $$
    begin
        if tg_op = 'INSERT' then
            if new.status = 'queued' then
                return new;
            end if;
            raise check_violation using constraint = 'command_lifecycle',
                message = format('a command begins as queued, not %s', new.status);
        end if;
        if exists (select from ops.command_lifecycle where source = old.status and target = new.status) then
            return new;
        end if;
        raise check_violation using constraint = 'command_lifecycle',
            message = format('command %s is %s and cannot become %s', old.id, old.status, new.status);
    end $$
    """,
    """
    create trigger lifecycle_begins before insert on ops.commands for each row execute function ops.guard_command()
    """,
    """
    create trigger lifecycle before update of status on ops.commands for each row
        when (old.status is distinct from new.status) execute function ops.guard_command()
    """,
    # Every state of a command has its row, in its turn, before the transaction ends; and the rows go along the table too.
    """
    create function ops.guard_command_is_noted() returns trigger language plpgsql as $$
    begin
        if exists (select from ops.command_transitions t
                   where t.command_id = new.id and t.n = new.transitions and t.status = new.status) then
            return null;
        end if;
        raise check_violation using constraint = 'command_is_noted',
            message = format('command %s became %s without a transition number %s', new.id, new.status, new.transitions);
    end $$
    """,
    """
    create constraint trigger noted after insert or update of status, transitions on ops.commands deferrable initially deferred
        for each row execute function ops.guard_command_is_noted()
    """,
    """
    create function ops.guard_command_transition() returns trigger language plpgsql as $$
    begin
        if new.n = 1 and new.status = 'queued' or exists (
            select from ops.command_transitions t join ops.command_lifecycle l on l.source = t.status and l.target = new.status
            where t.command_id = new.command_id and t.n = new.n - 1
        ) then
            return null;
        end if;
        raise check_violation using constraint = 'command_lifecycle',
            message = format('transition %s of command %s cannot be to %s', new.n, new.command_id, new.status);
    end $$
    """,
    """
    create trigger lifecycle after insert or update on ops.command_transitions for each row
        execute function ops.guard_command_transition()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
