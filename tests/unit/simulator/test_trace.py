"""Same seed and clock, same bytes."""

import json

import pytest

from iotsphere.devices import device_types
from iotsphere.devices._spec import DeviceType
from simulator.trace import payloads

NOON = 1_760_011_200.0
every_type = pytest.mark.parametrize("device_type", device_types().values(), ids=list(device_types()))


def trace(device_type: DeviceType, seed: int = 1, device: str = "a", start: float = NOON) -> list[bytes]:
    return list(payloads(device_type, seed, device, start, 200, 10.0))


@every_type
def test_same_seed_and_clock_same_bytes(device_type: DeviceType) -> None:
    assert trace(device_type) == trace(device_type)


@every_type
def test_another_seed_or_device_gives_other_values_and_another_clock_other_bytes(device_type: DeviceType) -> None:
    values = [
        [json.loads(payload)["values"] for payload in found]
        for found in (trace(device_type), trace(device_type, seed=2), trace(device_type, device="b"))
    ]
    assert all(a != b for i, a in enumerate(values) for b in values[:i])
    assert trace(device_type) != trace(device_type, start=NOON + 7 * 3600)


@every_type
def test_each_payload_has_its_time_and_number(device_type: DeviceType) -> None:
    found = [json.loads(payload) for payload in trace(device_type)]
    assert [body["ts"] for body in found] == [(NOON + 10 * n) * 1000 for n in range(1, 201)]
    assert [body["seq"] for body in found] == list(range(1, 201))
    assert all(body["values"].keys() == {m.key for m in device_type.measurements} for body in found)
