"""The command `iotsphere`. Thin: each command reads the settings and calls what does the work.

Heavy modules load in the commands, so that each is quick.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from iotsphere.errors import CallerError, OperatorError, TemporaryError
from iotsphere.terminal import harmless_lines
from launcher import cli_certs, cli_devices, cli_mqtt, cli_run, cli_telemetry, cli_users, ports
from launcher.cli_context import home, settings, where

NOT_READY, NOT_RUNNING = 1, 3
MUST_ACT = 2

app = typer.Typer(
    name="iotsphere", help="The IoTSphere platform.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(cli_users.app, name="user")
app.add_typer(cli_devices.app, name="device")
app.add_typer(cli_telemetry.app, name="telemetry")
app.add_typer(cli_certs.app, name="certs")
app.add_typer(cli_mqtt.app, name="mqtt")
app.add_typer(cli_run.app, name="run")


def main() -> None:
    """Entry point: what the operator or caller must change is one line on stderr and exit code 2."""
    try:
        app()
    except (OperatorError, CallerError, TemporaryError) as error:
        print(harmless_lines(f"iotsphere: {error}"), file=sys.stderr)
        sys.exit(MUST_ACT)


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; it goes on in the background.")
    ] = False,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Without the demonstration fleet.")] = False,
) -> None:
    """Start the platform and keep it running."""
    if not home().root.exists():
        ports.claim_all(settings())  # a start that cannot be makes no home
    if detach:
        from launcher import background

        background.detach(settings(), demo=not no_demo)
    else:
        from launcher import up as platform

        platform.up(settings(), demo=not no_demo)


@app.command()
def down() -> None:
    """Stop the platform; returns when everything is gone."""
    from launcher import background

    print("IoTSphere has stopped" if background.down(home()) else "nothing runs")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs; holds the database's password.")] = False) -> None:
    """Tell how the platform is. Exit code 0: ready; 1: not ready; 3: it does not run."""
    from launcher import status as state

    found = state.read(home())
    print(json.dumps(asdict(found)) if as_json else harmless_lines(state.render(found)))
    raise typer.Exit(0 if found.ready else NOT_READY if found.services else NOT_RUNNING)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Such as edge or cloud; a name without a log lists those that have one.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> None:
    """Show the log of a service."""
    from launcher.follow import show

    show(home().logs, service, lines, follow=follow)


@app.command()
def doctor() -> None:
    """Look for what is wrong with this machine or installation. Exit code 1 when something must be mended."""
    from launcher.doctor import examine, render

    found = examine(settings(), home())
    print(harmless_lines(render(found)))
    raise typer.Exit(1 if any(check.level == "fail" for check in found) else 0)


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write database, certificate authority and secrets of the running platform to one file."""
    from launcher import backup as archive

    archive.backup(home(), where().dsn, archive.client_tools(), file.absolute())
    print(f"written to {file}; it holds keys and passwords: guard it")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.", exists=True, dir_okay=False)]) -> None:
    """Bring a backup back, into an empty home."""
    from launcher.restore import restore as bring_back

    bring_back(settings(), home(), file)
    print(f"restored into {home().root}: start it with `iotsphere up`")


app.command("token")(cli_users.token)
app.command("simulate")(cli_devices.simulate)
