"""`iotsphere user …` and `iotsphere token`."""

import sys
from typing import Annotated

import typer

from cloud_api.tenancy import Connection
from launcher.cli_context import home, with_database

app = typer.Typer(help="People who sign in.", no_args_is_help=True)
User = Annotated[str, typer.Argument(help="The name to sign in with.")]


@app.command()
def add(
    user: User,
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
    org: Annotated[str, typer.Option(help="The user's organization.")] = "default",
    all_organizations: Annotated[bool, typer.Option("--all-organizations", help="See every organization.")] = False,
) -> None:
    """Add a user. The password is asked for, or read from standard input."""
    from launcher import users

    password = _new_password()
    with_database(lambda c: users.add(c, user, password, role, org, all_organizations=all_organizations))
    print(f"added {role} {user} of {org}")


@app.command()
def passwd(user: User) -> None:
    """Set a user's password and end the user's sign-ins. The password is asked for, or read from standard input."""
    from launcher import users

    password = _new_password()
    with_database(lambda c: users.set_password(c, home(), user, password))
    print(f"the password of {user} is changed")


def token(
    user: Annotated[str, typer.Option(help="Whose.")] = "admin",
    ttl: Annotated[float, typer.Option(min=1, max=365 * 86400, help="Seconds that it is good for.")] = 3600,
) -> None:
    """Print a bearer token for the API: whoever may read the home directory may have one."""
    from launcher import installed, users

    installed.must_be_installed(home())

    async def issue(connection: Connection) -> str:
        return await users.token(connection, home(), user, ttl)

    print(with_database(issue))


def _new_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
