"""Columns that PostgreSQL hands over in one piece: 8 bytes a value, big-endian. No Python object is made for a value. Pure."""

import sys
from array import array
from typing import TypeVar

Value = TypeVar("Value", int, float)


def integers(data: bytes) -> "array[int]":
    """A column of int8send() or timestamptz_send()."""
    return _here(array("q", data))


def floats(data: bytes) -> "array[float]":
    """A column of float8send()."""
    return _here(array("d", data))


def _here(column: "array[Value]") -> "array[Value]":
    if sys.byteorder == "little":
        column.byteswap()
    return column
