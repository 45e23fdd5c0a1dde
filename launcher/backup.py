"""`iotsphere backup` and `restore`: one tar file with a database dump, the certificate authority and the secrets."""

import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from iotsphere.errors import Misconfigured, OperatorError
from launcher.home import Home

DUMP = "database.dump"
PARTS = ("certs", "secrets")


class BackupFailed(OperatorError):
    """The dump or the restore did not go through; carries what the PostgreSQL tool said."""


def backup(home: Home, dsn: str, tools: Path, target: Path) -> None:
    """Write a backup of the running platform.

    Args:
        home: the installation.
        dsn: its database.
        tools: directory with pg_dump.
        target: the file to write, mode 0600.

    Raises:
        BackupFailed: pg_dump failed; no file is left behind.
    """
    with tempfile.TemporaryDirectory(dir=home.run) as scratch:
        dump = Path(scratch) / DUMP
        run_tool([str(tools / "pg_dump"), "--format=custom", f"--file={dump}", dsn])
        partial = target.with_name(f".{target.name}.partial")
        with tarfile.open(partial, "w") as archive:
            archive.add(dump, DUMP)
            for part in PARTS:
                archive.add(home.root / part, part)
        partial.chmod(0o600)
        partial.replace(target)


def restore_files(home: Home, source: Path) -> Path:
    """Unpack certificates and secrets into a new home; returns the path of the database dump.

    Raises:
        Misconfigured: the home is in use by an installation already, or the file is no backup.
    """
    if (home.root / "certs").exists():
        raise Misconfigured(f"{home.root} already has an installation: set IOTSPHERE_HOME to an empty directory")
    home.prepare()
    try:
        with tarfile.open(source) as archive:
            archive.extractall(home.root, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise Misconfigured(f"{source} is no backup: {error}") from error
    return home.root / DUMP


def restore_database(dsn: str, tools: Path, dump: Path) -> None:
    """Fill an empty database from a dump.

    Raises:
        BackupFailed: pg_restore failed.
    """
    run_tool([str(tools / "pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={dsn}", str(dump)])
    dump.unlink()


def run_tool(command: list[str]) -> None:
    """Run a PostgreSQL tool.

    Raises:
        BackupFailed: it said no.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupFailed(done.stderr.strip()[-2000:] or f"{command[0]} ended with {done.returncode}")


def default_name(home: Home, revision: str) -> Path:
    """Where `up` puts the backup it takes before it migrates an older database."""
    return home.backups / f"before-{revision}-{time.strftime('%Y%m%d-%H%M%S')}.tar"
