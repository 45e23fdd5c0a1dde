"""A small device type, devices of it, and the messages they send."""

import itertools
import json
from typing import Any

from iotsphere import topics
from iotsphere.delivery import Delivery
from iotsphere.devices._spec import CommandOutcome, DeviceType, Measurement, SimulationState, StepResult
from iotsphere.registry import DeviceRecord

THERMOMETER = DeviceType(
    key="thermometer",
    collection="thermometers",
    title="Thermometer",
    manufacturer="Acme",
    model="T1",
    measurements=(
        Measurement("temperature", "Temperature", "°C", low=-40, high=120),
        Measurement("humidity", "Humidity", "%", low=0, high=100),
        Measurement("pulses", "Pulses"),
    ),
    properties=(),
    commands=(),
    initial=lambda rng: SimulationState({"temperature": 20.0}),
    step=lambda state, dt, rng: StepResult(state.values, {}),
    execute=lambda state, name, params: CommandOutcome("rejected", "unknown"),
)
TYPES = {THERMOMETER.key: THERMOMETER}
_sessions = itertools.count(1)


def thermometer(id: str = "t-1", kind: str = "device") -> DeviceRecord:
    return DeviceRecord(id, "default", THERMOMETER.key, kind, "active")


def delivery(
    payload: bytes | dict[str, Any] | list[Any],
    *,
    device: DeviceRecord | None = None,
    kind: topics.Kind = topics.Kind.TELEMETRY,
    repeated: bool = False,
    received_at: int = 0,
) -> Delivery:
    """What the broker hands over for one PUBLISH."""
    device = device or thermometer()
    topic = f"{topics.PREFIX}/{device.id}/{kind.value}"
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Delivery(device, topics.Route(device.id, kind), topic, data, 1, repeated, received_at, next(_sessions))
