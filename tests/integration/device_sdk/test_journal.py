"""The outbox on disk."""

import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from device_sdk.changes import Changes, Kept
from device_sdk.gaps import Gap
from device_sdk.journal import REMEMBERED, Journal, OutboxUnavailable
from device_sdk.outbox import Entry, Stream
from iotsphere.errors import Misconfigured

pytestmark = pytest.mark.integration


def entry(number: int, size: int = 2) -> Entry:
    return Entry(Stream.READING, "t", b"x" * size, 1, 5.5, "b", number, 1, number)


def journal(directory: Path, device: str = "d") -> Journal:
    return Journal(directory / "d.outbox", device)


def test_what_was_written_is_found_by_the_next_run(tmp_path: Path) -> None:
    first = journal(tmp_path)
    assert first.load() == Kept()
    assert first.path.stat().st_mode & 0o777 == 0o600
    first.attempt(Changes([entry(1), entry(2), entry(3)], gaps=[Gap("b", 4, 5)], commands={"c": None}, boot="b", seq=3))
    first.attempt(Changes(acknowledged=[2], gaps=[Gap("b", 4, 6)], commands={"c": b"{}", "e": None}, boot="b", seq=4))
    first.close()
    found = journal(tmp_path).load()
    assert (found.boot, found.seq) == ("b", 4)
    assert [(e.id, e.stream, e.topic, e.body, e.rank, e.at, e.boot, e.seq, e.count) for e in found.entries] == [
        (n, Stream.READING, "t", b"xx", 1, 5.5, "b", n, 1) for n in (1, 3)
    ]
    assert found.gaps == [Gap("b", 4, 6)]
    assert found.commands == {"c": b"{}", "e": None}


def test_it_is_used_again_after_it_was_closed(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.load()
    made.close()
    assert made.attempt(Changes([entry(1)])) is None
    assert len(made.load().entries) == 1


def test_only_the_newest_commands_are_remembered(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.load()
    for start in range(0, REMEMBERED + 500, 500):
        made.attempt(Changes(commands={f"c{n}": b"{}" for n in range(start, start + 500)}))
    made.close()
    assert list(journal(tmp_path).load().commands) == [f"c{n}" for n in range(500, REMEMBERED + 500)]


def test_everything_is_written_or_nothing_and_the_log_says_when_that_begins_and_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = journal(tmp_path)
    made.load()
    assert made._connection is not None
    made._connection.execute("pragma max_page_count = 20")
    assert made.attempt(Changes([entry(1)], boot="b", seq=1)) is None
    error = made.attempt(Changes([entry(2), entry(3, 200_000)], acknowledged=[1], boot="b", seq=3))
    assert isinstance(error, OutboxUnavailable)
    assert "full" in str(error)
    assert made.attempt(Changes([entry(3, 200_000)])) is not None
    assert made.attempt(Changes([entry(4)], boot="b", seq=4)) is None
    begins, ends = caplog.messages
    assert "takes nothing" in begins
    assert "takes messages again" in ends
    made.close()
    found = journal(tmp_path).load()
    assert ([e.id for e in found.entries], found.seq) == ([1, 4], 4)


FULL_DISK = """
import sys
from pathlib import Path
from device_sdk import Device, OutboxUnavailable
made = Device("d", port=1, ca="ca", certificate="c", key=sys.argv[1] + "/d.key")
kept = 0
try:
    while True:
        made.publish({"x": kept})
        kept += 1
except OutboxUnavailable as error:
    print(kept, made.backlog, error)
"""


def test_a_full_disk_is_an_error_to_the_caller_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    def limited() -> None:  # a write beyond the limit fails, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True, preexec_fn=limited
    )
    kept, backlog, error = done.stdout.split(" ", 2)
    assert "takes nothing" in error
    assert 0 < int(kept) == int(backlog)
    entries = journal(tmp_path).load().entries
    assert [e.seq for e in entries] == list(range(1, int(kept) + 1))


def test_a_file_of_another_device_or_in_use_is_refused(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.load()
    made.attempt(Changes([entry(1)]))
    with pytest.raises(Misconfigured, match="another program has it open"):
        journal(tmp_path).load()
    made.close()
    with pytest.raises(Misconfigured, match="belongs to the device d"):
        journal(tmp_path, "other").load()
    with pytest.raises(Misconfigured, match=r"nowhere/d\.outbox cannot be used"):
        journal(tmp_path / "nowhere").load()


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    made = journal(tmp_path)
    made.load()
    made.close()
    with sqlite3.connect(tmp_path / "d.outbox") as connection:
        connection.execute("pragma user_version = 9")
    connection.close()
    with pytest.raises(Misconfigured, match="version 9"):
        journal(tmp_path).load()


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "d.outbox").write_bytes(b"this is no database" * 1000)
    made = journal(tmp_path)
    assert made.load() == Kept()
    assert made.attempt(Changes([entry(1)])) is None
    [aside] = tmp_path.glob("d.outbox.damaged-*")
    assert aside.read_bytes().startswith(b"this is")
    assert "is damaged" in caplog.text
    assert made.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        "update entry set stream = 99",
        "update entry set topic = cast(x'ff' as text)",
        "update entry set body = 'text'",
        "update entry set seq = 'many'",
        "update gap set first = 'none'",
        "update command set id = cast(x'ff' as text)",
        "update command set answer = 5",
        "update run set seq = 'many'",
        "update run set device = x'ff'",
        "drop table gap",
        "alter table entry drop column rank",
        "pragma user_version = 0",
    ],
)
def test_a_file_whose_content_makes_no_sense_is_put_aside_as_well(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = journal(tmp_path)
    made.load()
    made.attempt(Changes([entry(1)], gaps=[Gap("b", 4, 5)], commands={"c": b"{}"}, boot="b", seq=1))
    made.close()
    with closing(sqlite3.connect(made.path)) as connection:
        connection.executescript(damage)
    assert made.load() == Kept()
    assert made.attempt(Changes([entry(2)])) is None
    assert len(list(tmp_path.glob("d.outbox.damaged-*"))) == 1
    assert "is damaged" in caplog.text
