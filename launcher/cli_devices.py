"""`iotsphere device …` and `iotsphere simulate`."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cloud_api.tenancy import Connection
from device_sdk.credentials import Credentials
from launcher.cli_context import home, where, with_database

app = typer.Typer(help="Devices.", no_args_is_help=True)


@app.command()
def add(
    id: Annotated[str, typer.Argument(help="Device id, client id and certificate name in one.")],  # noqa: A002 - the field's name
    type: Annotated[str, typer.Option("--type", help="Key of the device type.")],  # noqa: A002 - the option's name
    out: Annotated[Path, typer.Option(help="Directory for key, certificate and authority.", file_okay=False)],
    org: Annotated[str, typer.Option(help="Whose it is.")] = "default",
    simulated: Annotated[bool, typer.Option("--simulated", help="Everything it says is marked as simulation.")] = False,
    count: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Make ID-0 … ID-(COUNT-1).")] = None,
) -> None:
    """Register a device and write what it connects with; prints that as JSON (a list with --count)."""
    from launcher import credentials, installed
    from launcher.enrol import Enrolment, enrol

    ids = [id] if count is None else [f"{id}-{number}" for number in range(count)]
    authority, mqtts = installed.authority(home()), where().mqtts
    credentials.must_be_writable(out)
    issued = with_database(lambda c: enrol(c, authority, Enrolment(ids, type, org, simulated)))
    files = [credentials.write(i, authority, out, d, type, mqtts) for d, i in zip(ids, issued, strict=True)]
    if count is None:
        _tell(files[0])
    else:
        print(json.dumps([asdict(file) for file in files], default=str))


@app.command()
def certificate(
    id: Annotated[str, typer.Argument(help="A device that is registered.")],  # noqa: A002 - the field's name
    out: Annotated[Path, typer.Option(help="Directory for key, certificate and authority.", file_okay=False)],
) -> None:
    """Write a device's files anew: another key and certificate, and where the platform is now. Earlier certificates stay valid
    until they are revoked (`iotsphere certs revoke`)."""
    from launcher import certificates, credentials, installed

    authority, now = installed.authority(home()), where()
    credentials.must_be_writable(out)
    issued, device_type = with_database(lambda c: certificates.issue_device(c, now.redis_url, authority, id))
    _tell(credentials.write(issued, authority, out, id, device_type, now.mqtts))


def _tell(file: Credentials) -> None:
    """How a device connects; for people also a line to try it with."""
    from launcher.try_it import command_line

    print(json.dumps(asdict(file), indent=2, default=str))
    if sys.stderr.isatty():
        print(f"try it: {command_line(file)}", file=sys.stderr)


@app.command("list")
def list_devices() -> None:
    """Print every device as one JSON line: id, type, organization, kind, status."""
    from launcher import enrol_table

    async def every(connection: Connection) -> list[dict[str, Any]]:
        return await enrol_table.every(connection)

    for row in with_database(every):
        print(json.dumps(row))


def simulate(
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="Size of the fleet.")] = 10,
    type: Annotated[str | None, typer.Option("--type", help="Device type; may be left out when there is only one.")] = None,  # noqa: A002
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Messages a second of each device; else as its type does.")
    ] = None,
    duration: Annotated[float | None, typer.Option(min=0.1, help="Seconds; else until Ctrl-C.")] = None,
    org: Annotated[str, typer.Option(help="Whose the simulated devices are.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line on standard output.")] = False,
) -> None:
    """Run simulated devices over mutual TLS against the running platform. They stay registered for the next run."""
    from launcher.simulate import Simulation, render
    from launcher.simulate import simulate as run

    report = asyncio.run(run(home(), where(), Simulation(devices, type, seed, rate, duration, org)))
    print(report.json_line() if as_json else render(report))
