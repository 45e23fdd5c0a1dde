"""How a device keeps."""

from pathlib import Path

from device_sdk.options import IN_MEMORY, Options


def test_where_the_outbox_lies() -> None:
    key = Path("keys/d.key")
    assert Options().file("d", key) == Path("keys/d.outbox")
    assert Options(outbox="elsewhere/x.db").file("d", key) == Path("elsewhere/x.db")
    assert Options(outbox=IN_MEMORY).file("d", key) is None
