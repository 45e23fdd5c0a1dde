"""All SQL that writes telemetry.arrivals, the journal of sequence numbers; sequences_table.py folds it into the accounts."""

from collections.abc import Iterable

from ingest.arrivals import Arrivals

_COLUMNS = "id, keys, firsts, lasts, newest, odd_keys, odd_firsts, odd_lasts, odd_messages, odd_late"


def insertion(arrivals: Arrivals) -> str:
    """The statement that keeps what arrived: whole, so that it can ride on another one.

    The same batch may come again when the outcome of its commit is not known.
    """
    plain = (arrivals.firsts, arrivals.lasts, arrivals.newest)
    odd = [[entry[i] for entry in arrivals.odd] for i in range(4)]
    values = (str(arrivals.id), _text(arrivals.keys), *map(_array, plain), _text(arrivals.odd_keys), *map(_array, odd))
    return f"insert into telemetry.arrivals ({_COLUMNS}) values ({', '.join(values)}) on conflict (id) do nothing"  # noqa: S608


def _text(lines: Iterable[str]) -> str:
    """As hexadecimal digits: a device chooses the name of its boot, and digits need no quoting. No name holds a line end."""
    return f"convert_from('\\x{chr(10).join(lines).encode().hex()}', 'UTF8')"


def _array(numbers: list[int]) -> str:
    return "'{" + str(numbers)[1:-1] + "}'"
