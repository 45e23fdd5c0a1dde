"""`iotsphere run …`: the processes one by one, as `up` and containers start them; `iotsphere run migrate` before them."""

import asyncio

import typer

from launcher.cli_context import home, settings, where

app = typer.Typer(help="Run one process of the platform.", no_args_is_help=True)


@app.command()
def edge() -> None:
    """Run the broker, ingest, and the delivery of shadows and commands."""
    from launcher import run

    run.edge(settings())


@app.command()
def cloud() -> None:
    """Run the API, live events and the dashboard."""
    from launcher import run

    run.cloud(settings())


@app.command(hidden=True)
def demo() -> None:
    """Run the demonstration fleet."""
    from launcher import run

    run.demo(settings())


@app.command()
def migrate() -> None:
    """Bring the database to this version and add the first user: what `up` does by itself."""
    from certs.authority import open_authority
    from launcher import database

    home().prepare()
    open_authority(home().certs)

    async def prepare() -> None:
        await database.migrate(home(), where().dsn)
        await database.prepare_telemetry(settings().telemetry_dsn or where().dsn, settings().retention_days)
        await database.ensure_admin(home(), where().dsn)

    asyncio.run(prepare())
