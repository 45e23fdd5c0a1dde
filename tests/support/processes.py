"""Which processes live."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def belonging_to(home: Path) -> dict[int, str]:
    """Living processes of an installation (known by environment, arguments or working directory) and their commands."""
    found, mark = {}, str(home.resolve()).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)) and mark in _traces(entry):
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def _traces(process: Path) -> bytes:
    traces = b""
    for name in ("environ", "cmdline"):
        try:
            traces += (process / name).read_bytes()
        except OSError:
            continue
    try:
        return traces + bytes((process / "cwd").readlink())
    except OSError:
        return traces
