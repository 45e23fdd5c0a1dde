"""What the services wrote that nobody expected."""

from pathlib import Path

MARK = "Traceback (most recent call last)"


def tracebacks(logs: Path) -> list[str]:
    """Names of the logs in which an exception is that nobody caught, and how many."""
    counts = {log.name: log.read_text(errors="replace").count(MARK) for log in sorted(logs.glob("*.log*"))}
    return [f"{name} ({count})" for name, count in counts.items() if count]
