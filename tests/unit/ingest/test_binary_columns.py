import struct

from ingest.binary_columns import floats, integers


def test_columns_come_in_the_order_of_the_network() -> None:
    assert list(integers(struct.pack(">qq", -1, 2**40))) == [-1, 2**40]
    assert list(floats(struct.pack(">dd", 1.5, -0.25))) == [1.5, -0.25]
    assert list(integers(b"")) == []
