"""What no file of the repository may say."""

import json
import re

import pytest

from tests.support import tree

BINARY = {".png", ".jpg", ".ico", ".woff2", ".gz"}
# Written so that no pattern finds itself.
FORBIDDEN = {
    "a package registry: an installation takes whichever its owner has set": re.compile(
        r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|proxy\.golang\.org|index[-]url|https?://[^/\s\"']*registry"
    ),
    "a path of somebody's machine": re.compile(r"(?<![\w.-])/(?:work|root|Users|home)/\w"),
    "an unfinished place": re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b"),
    "an unresolved merge": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = FORBIDDEN[what]
    hits = [
        f"{path}: {found.group()}"
        for path in tree.files()
        if path.suffix not in BINARY and (found := pattern.search((tree.ROOT / path).read_text()))
    ]
    assert hits == []


@pytest.mark.parametrize("folder", ["dashboard", "tests/support/timescale"])
def test_the_lock_of_npm_names_no_host(folder: str) -> None:
    lock = json.loads((tree.ROOT / folder / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry and not entry.get("link")] == []


@pytest.mark.parametrize("lock", ["runtime.lock", "dev.lock"])
def test_every_locked_requirement_has_a_hash(lock: str) -> None:
    text = (tree.ROOT / "requirements" / lock).read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert requirements
    assert [line for line in requirements if not re.match(r"\S+==\S+( ;.*?)?\s+--hash=sha256:[0-9a-f]{64}", line)] == []
