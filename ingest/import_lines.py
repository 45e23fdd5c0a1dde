"""A CSV file as records, each with the place at which the next one begins, so that reading can go on there later."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BYTES_OF_A_LINE = 1 << 20
ENDS = 1 << 16  # of the content that a file is known by
BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Record:
    """One record; ``position``: bytes up to its end; ``line``: on which it ends, counted from 1."""

    fields: list[str]
    position: int
    line: int


class Lines:
    """The records of a file from where it stands. Quoted fields may hold line ends.

    Args:
        file: seekable; UTF-8, what is none becomes U+FFFD.
        line: how many lines come before.
    """

    def __init__(self, file: BinaryIO, delimiter: str, line: int = 0) -> None:
        self._file = file
        self.position = file.tell()
        self.line = line
        self._reader = csv.reader(self._texts(), delimiter=delimiter)

    def _texts(self) -> Iterator[str]:
        while raw := self._file.readline(BYTES_OF_A_LINE):
            first = self.position == 0
            self.position += len(raw)
            self.line += 1
            text = raw.decode(errors="replace")
            yield text.removeprefix(BOM) if first else text

    def __iter__(self) -> Iterator[Record]:
        """Records that are not empty."""
        while True:
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields = [f"\0{error}"]  # told as a record that cannot be read
            if fields:
                yield Record(fields, self.position, self.line)


def fingerprint(file: BinaryIO, how: str) -> str:
    """What a file is known by: its size, both ends of its content, and how it is read."""
    size = file.seek(0, 2)
    known = hashlib.sha256(f"{size} {how}\n".encode())
    for place in (0, max(0, size - ENDS)):
        file.seek(place)
        known.update(file.read(ENDS))
    file.seek(0)
    return known.hexdigest()
