"""A number that one process writes and others read, without a word between them."""

import mmap
import struct
from pathlib import Path

_NUMBER = struct.Struct("q")


class SharedCounter:
    """One 64-bit number in a file that all of them have mapped.

    Args:
        path: the file; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBER.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)

    @property
    def value(self) -> int:
        """What was last written."""
        return int(_NUMBER.unpack_from(self._memory)[0])

    @value.setter
    def value(self, number: int) -> None:
        _NUMBER.pack_into(self._memory, 0, number)
