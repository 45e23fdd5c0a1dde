"""A CSV file as records, each with the place at which the next one begins, so that reading can go on there later."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

BYTES_OF_A_LINE = 1 << 20
ENDS = 1 << 16  # of the content that a file is known by
BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        fields: what it holds; when it cannot be read, the text of its line as the only one.
        position: bytes up to its end.
        line: on which it ends, counted from 1.
        wrong: why it cannot be read.
    """

    fields: list[str]
    position: int
    line: int
    wrong: str | None = None


Misfit = Callable[[Sequence[str]], str | None]
"""Why fields are none of a record, None when they may be."""


class Lines:
    """The records of a file from where it stands. Quoted fields may hold line ends.

    A quote that is never closed would swallow the lines that follow: what is wrong beyond the end of a line is that line alone,
    and reading goes on behind it.

    Args:
        file: seekable; UTF-8, what is none becomes U+FFFD.
        line: how many lines come before.
        misfit: asked of records that span lines.
    """

    def __init__(self, file: BinaryIO, delimiter: str, line: int = 0, misfit: Misfit = lambda _: None) -> None:
        self._file, self._delimiter, self._misfit = file, delimiter, misfit
        self.position = file.tell()
        self.line = line
        self._reader = self._read()

    def _read(self) -> Iterator[list[str]]:
        return csv.reader(self._texts(), delimiter=self._delimiter, strict=True)

    def _texts(self) -> Iterator[str]:
        while raw := self._file.readline(BYTES_OF_A_LINE):
            first = self.position == 0
            self.position += len(raw)
            self.line += 1
            text = raw.decode(errors="replace")
            yield text.removeprefix(BOM) if first else text

    def __iter__(self) -> Iterator[Record]:
        """Records that are not empty."""
        while (record := self._next()) is not None:
            if record.fields:
                yield record

    def _next(self) -> Record | None:
        position, line = self.position, self.line
        try:
            fields = next(self._reader)
        except StopIteration:
            return None
        except csv.Error as error:
            return self._first_line(position, line, str(error))
        if self.line > line + 1 and (wrong := self._misfit(fields)):
            return self._first_line(position, line, wrong)
        return Record(fields, self.position, self.line)

    def _first_line(self, position: int, line: int, wrong: str) -> Record:
        """Go back to the end of a record's first line, which cannot be read."""
        self._file.seek(position)
        self.position, self.line = position, line
        text = next(self._texts()).rstrip("\r\n")
        self._reader = self._read()
        return Record([text], self.position, self.line, wrong)


def fingerprint(file: BinaryIO, how: str) -> str:
    """What a file is known by: its size, both ends of its content, and how it is read."""
    size = file.seek(0, 2)
    known = hashlib.sha256(f"{size} {how}\n".encode())
    for place in (0, max(0, size - ENDS)):
        file.seek(place)
        known.update(file.read(ENDS))
    file.seek(0)
    return known.hexdigest()
