"""How a device connects: address, topics, and lines that work as pasted (pure)."""

import json
from collections.abc import Mapping

from cloud_api.domain.devices.schemas import ConnectInfo
from cloud_api.domain.devices.table import DeviceRow
from device_sdk import Credentials
from iotsphere import topics
from iotsphere.devices._spec import DeviceType, Measurement

_PYTHON = """\
# pip install paho-mqtt; run beside the files {id}.crt, {id}.key and ca.crt
import json
import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="{id}")
client.tls_set(ca_certs="ca.crt", certfile="{id}.crt", keyfile="{id}.key")
client.connect("{host}", {port})
client.loop_start()
client.publish("{topic}", json.dumps({payload}), qos=1).wait_for_publish(10)
client.disconnect()
client.loop_stop()
"""


class Connect:
    """Knows the public address of the MQTT listener."""

    def __init__(self, host: str, port: int, ca_pem: bytes, types: Mapping[str, DeviceType]) -> None:
        self._host, self._port, self.ca_pem, self._types = host, port, ca_pem, types

    def info(self, device: DeviceRow) -> ConnectInfo:
        """Everything that a person needs to make this device speak."""
        topic, payload = topics.telemetry(device.id), self._example(device.device_type)
        return ConnectInfo(
            host=self._host,
            port=self._port,
            ca_pem=self.ca_pem.decode(),
            topics=_topics(device.id),
            mosquitto_pub=(
                f"mosquitto_pub -h {self._host} -p {self._port} --cafile ca.crt --cert {device.id}.crt --key {device.id}.key"
                f" -i {device.id} -q 1 -t {topic} -m '{json.dumps(payload)}'"
            ),
            python=_PYTHON.format(id=device.id, host=self._host, port=self._port, topic=topic, payload=payload),
        )

    def credentials(self, device: DeviceRow) -> bytes:
        """The file ID.json, by which device_sdk finds its way; names of files are meant from its own directory."""
        return Credentials.of(device.id, f"mqtts://{self._host}:{self._port}", device_type=device.device_type).to_json()

    def _example(self, device_type: str) -> dict[str, dict[str, float]]:
        declared = self._types.get(device_type)
        measurements = declared.measurements[:2] if declared else ()
        return {"values": {m.key: _plausible(m) for m in measurements} or {"value": 1.0}}


def _plausible(measurement: Measurement) -> float:
    low = measurement.low or 0.0
    high = low + 1.0 if measurement.high is None else measurement.high
    return round((low + high) / 2, measurement.decimals)


def _topics(device: str) -> dict[str, str]:
    return {
        "telemetry": topics.telemetry(device),
        "event": topics.event(device),
        "status": topics.status(device),
        "shadow_get": topics.shadow(device, "get"),
        "shadow_update": topics.shadow(device, "update"),
        "shadow_delta": topics.shadow_reply(device, "update", "delta"),
        "command_request": topics.command_request_filter(device),
        "command_response": topics.command_response(device, "{id}"),
    }


def readme(info: ConnectInfo) -> str:
    """The text in the zip."""
    return (
        f"Connect to {info.host}, port {info.port}, MQTT 3.1.1 over TLS with the certificate in this archive.\n"
        "The key was made for you and is kept nowhere else: guard it, and revoke the certificate when it is lost.\n\n"
        f"Send a first message:\n\n{info.mosquitto_pub}\n\nor in Python:\n\n{info.python}"
    )
