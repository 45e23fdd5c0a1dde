"""What commands read of an installation that must exist already: a mistyped home must not become a new one."""

from certs.authority import FILES, Authority, open_authority
from iotsphere.errors import Misconfigured
from launcher.home import Home


def is_installed(home: Home) -> bool:
    """Whether a platform was ever started on this home: it has a certificate authority, or a part of one."""
    return any((home.certs / name).exists() for name in FILES)


def must_be_installed(home: Home) -> None:
    """Raises:
    Misconfigured: no platform was ever started on this home.
    """
    if not is_installed(home):
        raise Misconfigured(f"{home.root} holds no installation: start it with `iotsphere up`, or set IOTSPHERE_HOME")


def authority(home: Home) -> Authority:
    """The installation's certificate authority; never makes one.

    Raises:
        Misconfigured: there is none, or some of its files are missing.
    """
    must_be_installed(home)
    return open_authority(home.certs)
