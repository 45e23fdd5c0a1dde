"""The repository as files: what is part of it, and what its Python says."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = {
    ".venv", ".iotsphere", "__pycache__", "node_modules", "dist", "build",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis",
}  # fmt: skip


@cache
def files() -> tuple[Path, ...]:
    """Every file that git tracks, or would when all were added; outside git every file. Relative to the root."""
    return listed(ROOT)


def listed(root: Path) -> tuple[Path, ...]:
    """The same for another root."""
    found = _by_git(root) if (root / ".git").exists() else _all(root)
    return tuple(sorted(path for path in found if (root / path).is_file()))


def _by_git(root: Path) -> set[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, check=True)
    return {Path(name) for name in listing.stdout.decode().split("\0") if name}


def _all(root: Path) -> set[Path]:
    """All but what tools make; `git archive` and source archives have none of it."""
    found = (path.relative_to(root) for path in root.rglob("*"))
    return {path for path in found if not MADE.intersection(path.parts) and path.parts[0] != "devices"}


@cache
def project() -> dict[str, object]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def wheel_packages() -> set[str]:
    """Top-level packages that the wheel contains."""
    found: object = project()
    for key in ("tool", "hatch", "build", "targets", "wheel", "packages"):
        assert isinstance(found, dict)
        found = found[key]
    assert isinstance(found, list)
    return set(found)


def top_level_packages() -> set[str]:
    """Directories of the root that hold Python which is not a test's."""
    return {path.parts[0] for path in files() if path.suffix == ".py" and len(path.parts) > 1 and path.parts[0] != "tests"}


def sources() -> tuple[Path, ...]:
    """Python files of the product."""
    packages = wheel_packages()
    return tuple(path for path in files() if path.suffix == ".py" and path.parts[0] in packages)


def tests() -> tuple[Path, ...]:
    """Python files of the tests."""
    return tuple(path for path in files() if path.suffix == ".py" and path.parts[0] == "tests")


@cache
def syntax(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse((ROOT / path).read_text(), str(path))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and body length of every function: lines from the first statement behind the docstring to the last one."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path}:{node.name}", _body_lines(node)


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    last = body[-1].end_lineno
    assert last is not None
    return last - body[0].lineno + 1


def module_name(path: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Modules that a file imports; `from a import b` counts as both a and a.b, as b may be either."""
    found: set[str] = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found
