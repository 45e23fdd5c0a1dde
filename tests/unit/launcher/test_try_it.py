"""The line to copy after `iotsphere device add`."""

import json
import shlex
from pathlib import Path

import pytest

from device_sdk import Credentials
from iotsphere import topics
from iotsphere.devices import device_types
from iotsphere.devices._spec import Measurement
from launcher.try_it import command_line, plausible


def test_it_is_one_line_that_a_shell_takes_apart_again() -> None:
    key, declared = next(iter(device_types().items()))
    line = command_line(Credentials.of("d", "mqtts://iot.example:8884", Path("/a b"), key))
    words = shlex.split(line)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "mosquitto_pub"
    assert "\n" not in line
    assert (options["-h"], options["-p"], options["-i"]) == ("iot.example", "8884", "d")
    assert (options["--cafile"], options["--cert"], options["--key"]) == ("/a b/ca.crt", "/a b/d.crt", "/a b/d.key")
    assert topics.parse(options["-t"]) == topics.parse(topics.telemetry("d"))
    assert json.loads(options["-m"])["values"].keys() == {declared.measurements[0].key}


@pytest.mark.parametrize(("low", "high", "value"), [(0.0, 10.0, 5.0), (3.0, None, 3.0), (None, 4.0, 4.0), (None, None, 1.0)])
def test_the_value_is_within_the_range(low: float | None, high: float | None, value: float) -> None:
    assert plausible(Measurement("m", "M", low=low, high=high)) == value
