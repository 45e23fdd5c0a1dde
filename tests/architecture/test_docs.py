"""What the pages say exists, exists."""

import re
from pathlib import Path

import pytest

from iotsphere import messages, topics
from tests.support import tree

PAGES = [path for path in tree.files() if path.suffix == ".md" and path.parts[0] != "dashboard"]
_NAMED_FILE = re.compile(r"`([\w./<>-]+\.(?:py|ts|yaml|sh))`")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
_TOPIC = re.compile(r"`iot/v1/\{d\}/([\w/{}]+)`")


@pytest.mark.parametrize("document", PAGES, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    text = (tree.ROOT / document).read_text()
    assert [target for target in _LINK.findall(text) if not (tree.ROOT / document.parent / target).exists()] == []


@pytest.mark.parametrize("document", PAGES, ids=str)
def test_files_that_are_named_exist(document: Path) -> None:
    text = (tree.ROOT / document).read_text()
    known = [f"/{path}" for path in tree.files()]
    named = {name for name in _NAMED_FILE.findall(text) if "<" not in name}
    assert sorted(name for name in named if not any(path.endswith(f"/{name}") for path in known)) == []


def test_the_wire_contract_names_the_topics_that_are_parsed() -> None:
    text = (tree.ROOT / "docs/wire.md").read_text()
    table = text[text.index("| the device publishes") : text.index("| the device subscribes to")]
    written = {tail.replace("{id}", "c") for tail in _TOPIC.findall(table)}
    written |= set(re.findall(r"`…/([\w/]+)`", table))
    parsed = {topics.parse(f"iot/v1/d/{tail}") for tail in written}
    assert None not in parsed
    assert {route.kind for route in parsed if route} == set(topics.Kind)


def test_the_wire_contract_names_the_limits_that_hold() -> None:
    text = (tree.ROOT / "docs/wire.md").read_text()
    assert f"| payload | {messages.MAX_PAYLOAD_BYTES // 1024} KiB" in text
    assert f"| topic | {topics.MAX_DEPTH} levels" in text
