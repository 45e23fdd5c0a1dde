"""Runs a program so that it dies with its parent: `python spawn.py --parent PID [--user NAME] [--death SIGNAL] -- PROGRAM ARG…`.

A step of its own between fork and the program, because the death signal must be set from the child's main thread
and after the change of user (which clears it). PostgreSQL refuses to run as root, so root gives it a user of its
own; that user keeps CAP_DAC_READ_SEARCH alone, as the installation may lie below a directory (such as /root) that
it could not walk otherwise.
"""

import argparse
import ctypes
import os
import pwd
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 1, 8, 28, 47
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
WANTED_FILES = 65_536

_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main() -> None:
    """Set everything up, then become the program."""
    arguments = _parse()
    raise_file_limit()
    if arguments.user:
        _become(arguments.user)
    _checked(_libc.prctl(PR_SET_PDEATHSIG, getattr(signal, arguments.death), 0, 0, 0), "PR_SET_PDEATHSIG")
    if os.getppid() != arguments.parent:  # told, not looked up: the parent may have ended before our first line
        sys.exit("the parent ended meanwhile")
    os.execvp(arguments.program[0], arguments.program)  # noqa: S606 - this is what the module is for


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launcher.spawn")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--death", default="SIGTERM")
    parser.add_argument("program", nargs="+")
    return parser.parse_args()


def raise_file_limit() -> None:
    """Allow as many open files as the hard limit has, up to WANTED_FILES; root may raise the hard limit too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = max(hard, WANTED_FILES) if os.geteuid() == 0 else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(WANTED_FILES, ceiling)), ceiling))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(WANTED_FILES, hard), hard))


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    # Without this bit access(2), by which PostgreSQL's programs look for each other, forgets the capability that exec honours.
    # Where it is not allowed, an installation below a directory that others may walk still works.
    _libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    _checked(_libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "PR_SET_KEEPCAPS")
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    mask = 1 << CAP_DAC_READ_SEARCH
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)(_CapabilityData(mask, mask, mask), _CapabilityData(0, 0, 0))
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    _checked(_libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0), "PR_CAP_AMBIENT_RAISE")
    os.environ["HOME"] = "/"


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        sys.exit(f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
