"""`iotsphere certs …`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from launcher.cli_context import home, where, with_database

app = typer.Typer(help="Certificates.", no_args_is_help=True)


@app.command("list")
def list_certificates(
    subject: Annotated[str | None, typer.Argument(help="Only those of this device or service.")] = None,
) -> None:
    """Print every certificate as one JSON line, newest first."""
    from launcher import certificates

    for row in with_database(lambda c: certificates.listed(c, subject)):
        print(json.dumps(row))


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="A serial, or a device id for all certificates of that device.")],
    reason: Annotated[str, typer.Option(help="Kept with the certificate.")] = "revoked on the command line",
) -> None:
    """Revoke: a live connection ends, and the next one is refused."""
    from launcher import certificates

    redis_url = where().redis_url
    count = with_database(lambda c: certificates.revoke(c, redis_url, name, reason))
    print(f"revoked {count} certificate{'' if count == 1 else 's'}")


@app.command()
def service(
    id: Annotated[str, typer.Argument(help="Client id and certificate name in one.")],  # noqa: A002 - the field's name
    out: Annotated[Path, typer.Option(help="Directory for key, certificate and authority.", file_okay=False)],
    org: Annotated[str, typer.Option(help="Whose devices it may listen to.")] = "default",
) -> None:
    """Issue a certificate for a service, which may listen to the devices of its organization."""
    from launcher import certificates, installed

    authority = installed.authority(home())
    with_database(lambda c: certificates.issue_service(c, authority, id, org, out))
    print(f"written {out / id}.crt, {id}.key and ca.crt")


@app.command()
def crl(out: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None) -> None:
    """Print the list of revoked certificates (PEM), for brokers and proxies that want a file."""
    from certs.revoke import render_crl
    from launcher import certificate_table, installed

    text = render_crl(installed.authority(home()), with_database(certificate_table.revoked)).decode()
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)


@app.command()
def ca() -> None:
    """Print the certificate authority (PEM) that devices verify the platform with."""
    from launcher import installed

    print(installed.authority(home()).ca_file.read_text(), end="")
