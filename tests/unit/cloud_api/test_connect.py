import ast
import json
import shlex
from datetime import UTC, datetime

from cloud_api.domain.devices.connect import Connect, readme
from cloud_api.domain.devices.table import DeviceRow
from tests.support.pump import PUMP

ROW = DeviceRow(
    "p:1", PUMP.key, "Acme", "demo", "device", "active", datetime(2026, 1, 1, tzinfo=UTC), None, None, None, None, None, None
)
CONNECT = Connect("mqtt.example", 8883, b"-----BEGIN CERTIFICATE-----", {PUMP.key: PUMP})


def test_the_shell_line_is_one_command_with_a_message_that_the_type_accepts() -> None:
    words = shlex.split(CONNECT.info(ROW).mosquitto_pub)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert (words[0], options["-h"], options["-p"], options["-i"], options["--key"]) == (
        "mosquitto_pub", "mqtt.example", "8883", "p:1", "p:1.key",
    )  # fmt: skip
    assert options["-t"] == "iot/v1/p:1/telemetry"
    values = json.loads(options["-m"])["values"]
    assert set(values) == {"flow", "pressure"}
    assert all(m.low <= values[m.key] <= m.high for m in PUMP.measurements)


def test_the_program_is_one() -> None:
    program = CONNECT.info(ROW).python
    ast.parse(program)
    assert 'connect("mqtt.example", 8883)' in program
    assert program.endswith("client.disconnect()\nclient.loop_stop()\n"), "its session ends clean: the DISCONNECT is on its way"


def test_the_readme_has_both() -> None:
    info = CONNECT.info(ROW)
    assert info.mosquitto_pub in readme(info)
    assert info.python in readme(info)
