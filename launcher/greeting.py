"""What `up` says once everything is ready."""

import sys

from launcher.home import ADMIN, Home


def greeting(home: Home, seconds: float, how_to_end: str) -> str:
    """Addresses and the first user; the password itself only on a terminal."""
    file, where = home.admin_password_file, home.endpoints()
    password = file.read_text().strip() + "  " if sys.stdout.isatty() and file.exists() else ""
    return "\n".join(
        (
            f"IoTSphere is ready ({seconds:.1f} s)",
            f"  dashboard  {where.http}",
            f"  user       {ADMIN}",
            f"  password   {password}(kept in {file})",
            f"  devices    {where.mqtts}  {where.wss}",
            f"  stop it with {how_to_end}; `iotsphere status` and `iotsphere doctor` tell more",
        )
    )
