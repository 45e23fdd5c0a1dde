"""Live progress of a fleet on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from iotsphere.terminal import harmless
from simulator.report import Progress

LINE_S = 10.0


@contextmanager
def show(title: str) -> Iterator[Callable[[Progress], None]]:
    """Gives the on_progress for run_fleet: a table that is redrawn on a terminal, elsewhere a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=False) as live:
        yield lambda progress: live.update(_table(title, progress))


def _lines(title: str) -> Callable[[Progress], None]:
    next_line = 0.0

    def line(progress: Progress) -> None:
        nonlocal next_line
        if progress.seconds >= next_line:
            next_line = progress.seconds + LINE_S
            text = "  ".join(f"{name} {value}" for name, value in _rows(progress))
            print(harmless(f"{title}: {text}"), file=sys.stderr, flush=True)

    return line


def _table(title: str, progress: Progress) -> Table:
    table = Table(title=title, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right", min_width=16)
    for name, value in _rows(progress):
        table.add_row(name, escape(harmless(value)))
    return table


def _rows(progress: Progress) -> list[tuple[str, str]]:
    rows = [
        ("connected", f"{progress.connected} of {progress.devices}"),
        ("published", f"{progress.published:,} ({progress.published_per_s:,.0f}/s)"),
        ("acknowledged", f"{progress.acked:,} ({progress.acked_per_s:,.0f}/s)"),
        ("p50", _ms(progress.p50_ms)),
        ("p99", _ms(progress.p99_ms)),
        ("time", f"{progress.seconds:.0f} s"),
    ]
    return [*rows, ("last error", progress.last_error)] if progress.last_error else rows


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
