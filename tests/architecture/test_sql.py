"""SQL stands in files that are named after what they hold, and a table is written by few."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.support import tree

SCHEMAS = r"((?:registry|asset|ops|shadow|telemetry)\.[a-z_0-9]+)"
NAMES = re.compile(rf"\b(?:from|join|into|update)\s+{SCHEMAS}", re.IGNORECASE)
WRITES = re.compile(rf"\b(?:insert\s+into|update|delete\s+from)\s+{SCHEMAS}", re.IGNORECASE)
ELSEWHERE = {
    "cloud_api/live_directory.py": "one look-up, beside the memory that it fills",
    "launcher/database.py": "the first start: roles, database, first user",
}
# Whoever registers a device writes its rows: REST, and the command line on the machine itself.
REGISTERING = {"cloud_api", "launcher"}
SHARED = {
    "asset.assets": REGISTERING,
    "registry.certificates": REGISTERING,
    "registry.device_owner": REGISTERING,
    "registry.devices": REGISTERING | {"broker"},  # last_connected
}


def strings(path: Path) -> list[str]:
    """String constants, those that are put together included; no docstrings."""
    nodes = ast.walk(tree.syntax(path))
    said = {id(n.value) for n in ast.walk(tree.syntax(path)) if isinstance(n, ast.Expr)}
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in said]


def tables(pattern: re.Pattern[str]) -> dict[Path, set[str]]:
    """Tables that a file's statements name, by file."""
    found = {path: {name.lower() for text in strings(path) for name in pattern.findall(text)} for path in tree.sources()}
    return {path: names for path, names in found.items() if names and path.parts[0] != "migrations"}


def test_sql_is_where_its_name_says() -> None:
    assert {str(path) for path in tables(NAMES) if not path.stem.endswith(("table", "reads"))} == set(ELSEWHERE)


def test_a_table_has_one_service_that_writes_it() -> None:
    writers: dict[str, set[str]] = defaultdict(set)
    for path, names in tables(WRITES).items():
        for name in names:
            writers[name].add(path.parts[0])
    assert len(writers) > 20
    assert {name: by for name, by in writers.items() if len(by) > 1} == SHARED
