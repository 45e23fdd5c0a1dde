"""`iotsphere telemetry …`."""

import asyncio
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.retention_rules import Kept
from iotsphere.errors import InvalidInput
from launcher.cli_context import settings, telemetry_dsn, where, with_database, with_telemetry

app = typer.Typer(help="Readings.", no_args_is_help=True)
letters = typer.Typer(help="What could not be stored, with the reason.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="Of letters, as `list` shows them.", show_default=False)]
Device = Annotated[str | None, typer.Option(help="Only those of this device.")]
Category = Annotated[str | None, typer.Option(help="Only validation, clock, conflict or store.")]
Reason = Annotated[str | None, typer.Option(help="Only those whose reason holds this, in any case.")]
Org = Annotated[str | None, typer.Option(help="Only those of this organization.")]
Since = Annotated[datetime | None, typer.Option(help="Only those buried then or later; local time.")]
Until = Annotated[datetime | None, typer.Option(help="Only those buried before.")]
All = Annotated[bool, typer.Option("--all", help="Every letter.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("import")
def import_readings(
    file: Annotated[Path, typer.Argument(help="CSV with a header, in UTF-8.", exists=True, dir_okay=False)],
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="FIELD is time, device, measurement, value, or a measurement."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Whose readings these are, when no column says it.")] = None,
    time_format: Annotated[str, typer.Option(help="rfc3339, s, ms, us (since 1970), or a pattern: %d.%m.%Y %H:%M.")] = "rfc3339",
    timezone: Annotated[str | None, typer.Option(help="Of times that do not say theirs, such as Europe/Vienna.")] = None,
    delimiter: Annotated[str, typer.Option(help="Between two fields: one character, or tab.")] = ",",
    decimal: Annotated[str, typer.Option(help="Within values: a point, or a comma as in 50,5.")] = ".",
    rejects: Annotated[Path | None, typer.Option(help="Takes the lines that are not stored; FILE.rejects.csv.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also a file that was imported before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Store the readings of a file, marked as imported. One that was killed goes on where it was. Exit code 1: some are rejected.

    One reading a line (time, device, measurement, value), or one moment a line with a column for each measurement.
    """
    from launcher import import_file as work
    from launcher import process, telemetry_retention

    process.tame_collector()
    wanted = work.Wanted(
        file=file, mapped=_pairs(mapped or []), device=device, time_format=time_format, timezone=timezone,
        delimiter=_delimiter(delimiter), decimal=_decimal(decimal),
        rejects=rejects or file.with_name(file.name + ".rejects.csv"), again=again,
    )  # fmt: skip
    kept = with_telemetry(lambda c: telemetry_retention.current(c, settings().retention_days))
    stores = work.Stores(dsn=where().dsn, telemetry_dsn=telemetry_dsn(), redis_url=where().redis_url, retention=kept)
    began = time.monotonic()
    if dry_run:
        report = asyncio.run(work.try_import(wanted, stores))
    else:
        with work.bar(file) as on_progress:
            report = asyncio.run(work.import_file(wanted, stores, on_progress))
    print(json.dumps(work.as_json(report)) if as_json else work.render(report, time.monotonic() - began, dry=dry_run))
    if report.rejected and not dry_run and not as_json:
        print(f"what was rejected stands in {wanted.rejects}")
    raise typer.Exit(1 if report.rejected else 0)


@app.command()
def retention(
    raw: Annotated[int | None, typer.Option(min=0, max=36500, help="Days that raw readings are kept.")] = None,
    minutes: Annotated[int | None, typer.Option(min=0, max=36500, help="Of rollups by the minute; 0: for ever.")] = None,
    hours: Annotated[int | None, typer.Option(min=0, max=36500, help="The same by the hour.")] = None,
    days: Annotated[int | None, typer.Option(min=0, max=36500, help="The same by the day.")] = None,
    org: Annotated[str | None, typer.Option(help="Set --raw of this organization, below the installation's; 0 lifts it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Show how long readings are kept and what goes next; with options, show what would go then, ask, and set it."""
    from launcher import telemetry_retention as work

    given: dict[Kept, int | None] = {"raw": raw, "1m": minutes, "1h": hours, "1d": days}
    wanted = work.Wanted(org, {what: number for what, number in given.items() if number is not None})
    if org is not None:
        with_database(lambda c: work.known(c, org))
    then = with_telemetry(lambda c: work.current(c, settings().retention_days))
    if wanted.days:
        then = work.changed(then, wanted)
    owned = {name: with_database(lambda c, name=name: work.devices(c, name)) for name in then.shorter}  # type: ignore[misc]
    print(work.render(then, with_telemetry(lambda c: work.preview(c, then, owned))))
    if wanted.days and (yes or typer.confirm("Set it?")):
        with_telemetry(lambda c: work.put(c, wanted, then))
        print("set; it is followed within a minute")


def _delimiter(text: str) -> str:
    found = "\t" if text == "tab" else text
    if len(found) != 1 or found in '"\r\n':
        raise InvalidInput("delimiter", "must be one character, or tab")
    return found


def _decimal(text: str) -> str:
    if text not in (".", ","):
        raise InvalidInput("decimal", "must be . or ,")
    return text


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise InvalidInput("map", f"{wrong[0]} is not FIELD=COLUMN")
    return {key.strip(): column for key, _, column in pairs}


@letters.command("list")
def list_letters(
    device: Device = None, category: Category = None, reason: Reason = None, org: Org = None,
    since: Since = None, until: Until = None,
    before: Annotated[int | None, typer.Option(help="Go on after the letter with this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Print letters, newest first; with --json as one JSON line each."""
    from launcher import dead_letters

    wanted = dead_letters.selection(None, device, category, reason, org, since, until)
    for row in with_telemetry(lambda c: dead_letters.listed(c, wanted, before, limit)):
        print(json.dumps(dead_letters.as_json(row)) if as_json else dead_letters.line(row))


@letters.command()
def show(id: Annotated[int, typer.Argument(help="Of the letter.")], as_json: AsJson = False) -> None:  # noqa: A002 - the field's name
    """Print one letter with its payload, decoded as far as possible."""
    from launcher import dead_letters

    found: dict[str, Any] = with_telemetry(lambda c: dead_letters.shown(c, id))
    print(json.dumps(found) if as_json else dead_letters.told(found))


@letters.command()
def replay(
    ids: Ids = None, device: Device = None, category: Category = None, reason: Reason = None, org: Org = None,
    since: Since = None, until: Until = None, all_of_them: All = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the end.")] = 600,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send the messages the way of their kind again, as of the time at which they came. Exit code 1 when some fail or wait."""
    from launcher import dead_letters

    wanted = dead_letters.selection(ids, device, category, reason, org, since, until, all_of_them=all_of_them)
    redis_url = where().redis_url
    done = with_telemetry(lambda c: dead_letters.replayed(c, redis_url, wanted, wait))
    print(json.dumps(dead_letters.as_json(done)) if as_json else dead_letters.outcome(done))
    raise typer.Exit(1 if done.failed or done.waiting else 0)


@letters.command()
def drop(
    ids: Ids = None, device: Device = None, category: Category = None, reason: Reason = None, org: Org = None,
    since: Since = None, until: Until = None, all_of_them: All = False, as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:  # fmt: skip
    """Delete letters for good; asks unless they are named by their ids."""
    from ingest.dead_letters_table import count
    from launcher import dead_letters

    wanted = dead_letters.selection(ids, device, category, reason, org, since, until, all_of_them=all_of_them)
    if not ids and not yes:
        meant = with_telemetry(lambda c: count(c, wanted))
        if meant:  # else there is nothing to ask
            typer.confirm(f"Delete {dead_letters.letters(meant)} for good?", abort=True)
    gone = with_telemetry(lambda c: dead_letters.dropped(c, wanted))
    print(json.dumps({"dropped": gone}) if as_json else f"dropped {dead_letters.letters(gone)}")
