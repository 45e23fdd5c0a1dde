"""Dead letters on a terminal."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from cloud_api.domain.dead_letters.schemas import Category
from ingest.dead_letters_table import CATEGORIES, LetterRow
from ingest.payload_text import readable
from launcher.dead_letters import as_json, letters, line, told

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NASTY = "\x1b[2J\x1b[31mOWNED\x9b\x7f"


@pytest.fixture
def letter() -> LetterRow:
    return LetterRow(
        id=7, at=NOW, received_at=NOW, device_id="t-1", organization_id="default", topic=f"iot/v1/t-1/{NASTY}", measurement=NASTY,
        category="validation", reason=f"{NASTY} is wrong", size=9, cut=False, replays=0, waiting=False,
    )  # fmt: skip


def test_a_letter_in_one_line_leaves_the_terminal_as_it_is(letter: LetterRow) -> None:
    shown = line(letter)
    assert shown.isprintable()
    assert "\\u001b[2J\\u001b[31mOWNED\\u009b\\u007f is wrong" in shown


@pytest.mark.parametrize(
    "payload", [b'{"values":{"\\u001b[2J\\u009b":"\\ud800"},\n"b":1}', "a\x7f\u2028b".encode(), b"\x00\x1b[2J"]
)
def test_a_letter_with_its_payload_leaves_the_terminal_as_it_is(letter: LetterRow, payload: bytes) -> None:
    shown = told({**as_json(letter), "payload": {**asdict(readable(payload)), "base64": ""}})
    assert "OWNED" in shown
    assert all(text.isprintable() for text in shown.split("\n"))
    assert shown.encode()


def test_the_interface_and_the_dashboard_know_the_categories_that_there_are() -> None:
    source = (Path(__file__).parents[3] / "dashboard/src/core/letters.ts").read_text()
    table = re.search(r"CATEGORIES[^{]*\{(.*?)\n\};", source, re.DOTALL)
    assert table is not None
    assert tuple(re.findall(r"^  (\w+):", table[1], re.MULTILINE)) == get_args(Category) == CATEGORIES


def test_a_number_of_letters_is_said_in_words() -> None:
    assert [letters(count) for count in (0, 1, 2000)] == ["0 dead letters", "1 dead letter", "2,000 dead letters"]
