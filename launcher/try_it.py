"""A line to copy: one reading of a new device, sent by mosquitto's client."""

import json
import shlex

from device_sdk import Credentials
from iotsphere import topics
from iotsphere.devices import device_type
from iotsphere.devices._spec import Measurement


def command_line(device: Credentials) -> str:
    """`mosquitto_pub …` with one plausible reading of the type's first measurement."""
    first = device_type(device.device_type).measurements[0]
    return shlex.join(
        [
            "mosquitto_pub", "-h", device.host, "-p", str(device.port), "-i", device.id, "-q", "1",
            "--cafile", str(device.ca), "--cert", str(device.certificate), "--key", str(device.key),
            "-t", topics.telemetry(device.id), "-m", json.dumps({"values": {first.key: plausible(first)}}),
        ]
    )  # fmt: skip


def plausible(measurement: Measurement) -> float:
    """A value within its range: the middle, or one of its ends when it has only one."""
    low, high = measurement.low, measurement.high
    if low is not None and high is not None:
        return (low + high) / 2
    return next((end for end in (low, high) if end is not None), 1.0)
