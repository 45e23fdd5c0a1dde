"""CPU time of the servers, each with everything below it, and their memory."""

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree_seconds(pid: int) -> float:
    """User and system time of a process and all its children, those that have ended included."""
    try:
        root = psutil.Process(pid)
        return sum(map(_seconds, [root, *root.children(recursive=True)]))
    except psutil.NoSuchProcess:
        return 0.0


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def snapshot(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds so far, by name."""
    return {name: tree_seconds(pid) for name, pid in pids.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Seconds between two snapshots, by name."""
    return {name: after[name] - before[name] for name in before}


def resident_bytes(pid: int) -> int:
    """Memory of a process alone."""
    return int(psutil.Process(pid).memory_info().rss)


def machine() -> str:
    """What the figures are from."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} × {models[0] if models else 'unknown CPU'}, load {os.getloadavg()[0]:.1f}"
