"""`iotsphere telemetry retention`: how long readings and rollups are kept, and what would go."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest import expiry_preview, owner_reads, retention_table, timescale_table
from ingest.engine import engine_of
from ingest.expiry_preview import Expiring
from ingest.retention_rules import INSTALLATION, LEVELS, Kept, Retention
from iotsphere.errors import InvalidInput
from iotsphere.infra.postgres import Connection

FOREVER = 0
# A refresh makes all buckets of a stretch anew, of all devices: those of readings that are gone would go too.
ONE_FOR_ALL = "TimescaleDB keeps the readings of all organizations equally long; daily partitions do not"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to set: days by kind, 0 for ever; of an organization only those of raw readings, 0 lifts them."""

    organization: str | None
    days: Mapping[Kept, int]


async def current(connection: Connection, raw_days: int) -> Retention:
    """What is set."""
    return await retention_table.read(connection, raw_days)


def changed(now: Retention, wanted: Wanted) -> Retention:
    """What would be set then.

    Raises:
        InvalidInput: it cannot be.
    """
    if wanted.organization is not None:
        return _shortened(now, wanted.organization, wanted.days)
    if wanted.days.get("raw") == FOREVER:
        raise InvalidInput("raw", "readings are not kept for ever: give a number of days")
    levels = {level: wanted.days.get(name, now.levels[level] or FOREVER) or None for name, level in LEVELS.items()}
    raw = wanted.days.get("raw", now.raw)
    return Retention(raw, levels, {org: days for org, days in now.shorter.items() if days < raw})


def _shortened(now: Retention, organization: str, days: Mapping[Kept, int]) -> Retention:
    if set(days) != {"raw"}:
        raise InvalidInput("org", "an organization has days of its own for raw readings only")
    if days["raw"] >= now.raw:
        raise InvalidInput("raw", f"an organization may only keep less than the installation's {now.raw} days")
    shorter = {org: kept for org, kept in now.shorter.items() if org != organization}
    return Retention(now.raw, now.levels, shorter | ({organization: days["raw"]} if days["raw"] else {}))


async def put(connection: Connection, wanted: Wanted, then: Retention) -> None:
    """Set it; `edge` follows within a minute.

    Raises:
        InvalidInput: the engine cannot keep to it.
    """
    engine = await engine_of(connection)
    if engine.name == "timescale" and wanted.organization is not None and wanted.days["raw"]:
        raise InvalidInput("org", ONE_FOR_ALL)
    if wanted.organization is None:
        for what, days in wanted.days.items():
            await retention_table.put(connection, INSTALLATION, what, days or None)
    elif wanted.days["raw"]:
        await retention_table.put(connection, wanted.organization, "raw", wanted.days["raw"])
    else:
        await retention_table.lift(connection, wanted.organization)
    if engine.name == "timescale":
        await timescale_table.catch_up(connection, then.raw)
        await timescale_table.set_policies(connection, then.raw, then.levels)


async def known(connection: Connection, organization: str) -> None:
    """See that there is such an organization.

    Raises:
        InvalidInput: there is none.
    """
    if not await owner_reads.exists(connection, organization):
        raise InvalidInput("org", f"there is no organization {organization}")


async def devices(connection: Connection, organization: str) -> list[str]:
    """The devices of an organization."""
    return await owner_reads.devices_of(connection, organization)


async def preview(
    telemetry: Connection, retention: Retention, devices: Mapping[str, Sequence[str]], now: float | None = None
) -> list[Expiring]:
    """What would go at the next turn.

    Args:
        devices: of the organizations that keep less.
    """
    engine = await engine_of(telemetry)
    return await expiry_preview.expiring(telemetry, engine.name, retention, devices, now or time.time())


def render(retention: Retention, going: Sequence[Expiring]) -> str:
    """For people."""
    lines = [f"raw readings   {retention.raw} days"]
    for name, level in LEVELS.items():
        days = retention.levels[level]
        lines.append(f"rollups {name}     {'for ever' if days is None else f'{days} days'}")
    lines += [f"raw readings of {org}   {days} days" for org, days in sorted(retention.shorter.items())]
    lines += ["", "goes at the next turn:" if going else "nothing goes at the next turn"]
    return "\n".join([*lines, *map(_line, going)])


def _line(one: Expiring) -> str:
    size = f"{one.bytes / 1e6:,.1f} MB" if one.bytes is not None else f"{one.rows:,} readings"
    since = f"{one.start:%Y-%m-%d} … " if one.start else "before "
    return f"  {one.what:<4} {since}{one.end:%Y-%m-%d}  {size}  {one.name}"
