"""A device stays light: what its program imports needs no server's library."""

import subprocess
import sys

HEAVY = {
    "amqtt", "asyncpg", "cryptography", "faststream", "litestar", "prometheus_client", "pydantic", "pydantic_settings", "redis",
    "rich", "socketio", "sqlalchemy", "structlog", "typer", "uvicorn",
    "broker", "certs", "cloud_api", "ingest", "launcher",
}  # fmt: skip


def test_the_sdk_loads_no_servers_library() -> None:
    program = "import device_sdk, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"paho", "aiomqtt", "msgspec", "device_sdk"} <= set(found)
    assert set(found) & HEAVY == set()
