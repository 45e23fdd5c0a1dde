"""The web dashboard. Python only knows where the built files are; the sources are TypeScript (``src/``)."""

from pathlib import Path

#: Built files (``index.html`` and its assets). Missing when the dashboard was not built at installation.
DIST: Path = Path(__file__).resolve().parent / "dist"
