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
from launcher.embedded.postgres import data_of, tools
from launcher.home import Home
from launcher.installed import is_installed

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
    Misconfigured: the home has a database or certificates already. Secrets alone are what a start leaves behind that
        did not get far.
    """
    if is_installed(home) or data_of(home.postgres).exists():
        raise Misconfigured(f"{home.root} already has an installation: set IOTSPHERE_HOME to an empty directory")


def restore_files(home: Home, source: Path) -> Path:
    """Unpack certificates and secrets into a new home; returns the path of the database dump.

    Raises:
        Misconfigured: the file is no backup.
    """
    try:
        with tarfile.open(source) as archive:
            archive.getmember(DUMP)
            _make_room(home)
            for member in archive.getmembers():
                if member.isfile() and (member.name == DUMP or member.name.split("/")[0] in PARTS):
                    _unpack(archive, member, home.root)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Misconfigured(f"{source} is no backup: {str(error).splitlines()[0].rstrip(':')}") from error
    home.prepare()
    return home.root / DUMP


def _make_room(home: Home) -> None:
    """Empty directories, the owner's alone; secrets of a start that did not get far open nothing."""
    for part in PARTS:
        shutil.rmtree(home.root / part, ignore_errors=True)
        (home.root / part).mkdir(mode=0o700, parents=True)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """Write one file, mode 0600. By hand: extractall() has no safe filter before Python 3.11.4."""
    target = root / member.name
    content = archive.extractfile(member)
    if content is None or not target.resolve().is_relative_to(root.resolve()):
        raise tarfile.TarError(f"{member.name} lies outside a home")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with content, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(content, file)


def restore_database(dsn: str, programs: Path, dump: Path) -> None:
    """Fill an empty database from a dump.

    Raises:
        BackupFailed: pg_restore failed.
    """
    run_tool([str(programs / "pg_restore"), "--exit-on-error", "--no-owner", "--single-transaction", str(dump)], dsn)
    dump.unlink()


def holds_timescale(programs: Path, dump: Path) -> bool:
    """Whether a dump is of a database with TimescaleDB.

    Raises:
        BackupFailed: it cannot be read.
    """
    done = subprocess.run([programs / "pg_restore", "--list", dump], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupFailed(f"pg_restore: {' '.join(done.stderr.split())[-2000:] or done.returncode}")
    return " EXTENSION - timescaledb" in done.stdout


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
