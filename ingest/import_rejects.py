"""The file that takes the lines which an import does not store. It never harms a file that is none of its own."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ingest.import_rows import Reject
from iotsphere.errors import InvalidInput

_FIRST = ("line", "reason")
_BEGINS = ",".join(_FIRST).encode() + b","


class RejectsFile:
    """CSV: line and reason before the fields that were read; made when there is something to write.

    Args:
        source: what is imported.
    """

    def __init__(self, path: Path, source: BinaryIO) -> None:
        self._path, self._source = path, source

    def cut(self, size: int) -> None:
        """What was written for a batch that was not committed is written again with it.

        Args:
            size: in bytes, that is committed.

        Raises:
            InvalidInput: the file is the imported one, no file of rejects, or shorter than what is committed.
        """
        try:
            with self._path.open("rb") as file:
                self._check(file, size)
        except FileNotFoundError:
            if size:
                raise _lost(self._path) from None
            return
        except OSError as error:
            raise InvalidInput("rejects", str(error)) from error
        if size:
            os.truncate(self._path, size)
        else:
            self._path.unlink()

    def _check(self, file: BinaryIO, size: int) -> None:
        if os.path.sameopenfile(file.fileno(), self._source.fileno()):
            raise InvalidInput("rejects", f"{self._path} is the file that is imported")
        if not _BEGINS.startswith(begins := file.read(len(_BEGINS))) or (begins and begins != _BEGINS):
            raise InvalidInput("rejects", f"{self._path} is there and holds something else: name another file")
        if os.fstat(file.fileno()).st_size < size:
            raise _lost(self._path)

    def append(self, rejects: Sequence[Reject], header: Sequence[str], size: int) -> int:
        """Safe on the disk before the commit says so; returns the file's size, which was ``size``."""
        if not rejects:
            return size
        text = io.StringIO()
        writer = csv.writer(text)
        if not size:
            writer.writerow([*_FIRST, *header])
        writer.writerows([reject.line, reject.reason, *reject.fields] for reject in rejects)
        with self._path.open("ab") as file:
            file.write(text.getvalue().encode(errors="replace"))
            file.flush()
            os.fsync(file.fileno())
            return file.tell()


def _lost(path: Path) -> InvalidInput:
    return InvalidInput(
        "rejects", f"{path} lacks lines that an earlier run of this import wrote: bring it back, or begin with --again"
    )
