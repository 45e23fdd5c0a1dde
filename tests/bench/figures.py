"""The results: collected under flat names, printed as tables, written as one JSON object."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


class Figures:
    """``area.measure`` → number, and what went wrong."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._values: dict[str, float] = {}
        self.failures: list[str] = []

    def add(self, name: str, value: float) -> None:
        """A result."""
        self._values[name] = float(f"{value:.5g}")

    def check(self, holds: bool, what: str) -> None:
        """Something without which the figures mean nothing."""
        if not holds:
            self.failures.append(what)
            self._console.print(f"[red]{what}[/red]")

    def say(self, text: str) -> None:
        """Progress."""
        self._console.print(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table of details."""
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, justify="left" if column == columns[0] else "right")
        for row in rows:
            table.add_row(*map(_text, row))
        self._console.print(table)

    def summary(self) -> None:
        """All results."""
        self.table("Results", ("measure", "value"), list(self._values.items()))

    def write(self, path: Path, *, whole: bool) -> None:
        """Write what was measured now.

        Args:
            path: a JSON file; what is in it of other areas stays.
            whole: this was a run of everything, so what is there of the same areas and was not measured now is gone.
        """
        areas = {name.partition(".")[0] for name in self._values} if whole else set()
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError):
            before = {}
        kept = {name: value for name, value in before.items() if name.partition(".")[0] not in areas}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**kept, **self._values}, indent=2, sort_keys=True) + "\n")


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)
