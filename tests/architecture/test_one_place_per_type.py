"""A device type is one file: nothing else in the tree may know its words."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotsphere.devices import device_types

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(p.parent.name for p in ROOT.glob("*/__init__.py"))
SUFFIXES = {".py", ".ts", ".html", ".css", ".sql", ".yaml"}
BUILT = {"node_modules", "dist", "__pycache__"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in SUFFIXES and not BUILT & set(path.parts):
                yield path


def quoted(*words: str) -> re.Pattern[str]:
    """The words in quotes: a bare one may be an ordinary word."""
    return re.compile("|".join(f"[\"'`/]{re.escape(word)}[\"'`/]" for word in words))


def test_the_packages_are_found() -> None:
    assert {"iotsphere", "ingest", "dashboard", "simulator"} <= set(PACKAGES)
    assert sum(1 for _ in sources()) > 50


@pytest.mark.parametrize("key", device_types())
def test_no_other_file_knows_the_type(key: str) -> None:
    device_type = device_types()[key]
    own = [m.key for m in device_type.measurements] + [p.key for p in device_type.properties if p.writable and "_" in p.key]
    pattern = quoted(key, device_type.collection, *(word for word in own if "_" in word))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        if path.parent != ROOT / "iotsphere" / "devices"  # another type may use the same words
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
