"""`iotsphere up` and what hangs on it, as a user meets it."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from iotsphere.devices import device_types
from iotsphere.infra.tls import client_context
from tests.support.platform import IOTSPHERE, Installation, Platform, platform
from tests.support.servers import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TYPE = next(iter(device_types()))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform") / "a home with spaces", demo_devices="4") as made:
        yield made


def one(dsn: str, query: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


def readings(platform: Platform) -> int:
    return int(str(one(platform.dsn, "select count(*) from telemetry.telemetry")))


def test_status_is_what_scripts_rely_on(running: Platform) -> None:
    done = running.installation.cli("status", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["ready"] is True
    assert re.fullmatch(r"http://localhost:\d+", found["urls"]["http"])
    assert re.fullmatch(r"mqtts://localhost:\d+", found["urls"]["mqtts"])
    assert re.fullmatch(r"wss://localhost:\d+/mqtt", found["urls"]["wss"])
    assert found["dsn"] == running.dsn
    assert found["admin"] == {"user": "admin", "password_file": str(running.home.admin_password_file)}
    assert found["services"].keys() == {"postgres", "valkey", "edge", "cloud", "demo"}
    for service in found["services"].values():
        assert service["state"] == "ready"
        assert service["pid"] > 0
        assert service["restarts"] == 0
    assert found["disk"]["used"] > 0
    assert "days_left" in found["disk"]


def test_the_demo_fleet_speaks(running: Platform) -> None:
    wait_until(lambda: readings(running) > 0, "the first live value", 60)
    assert one(running.dsn, "select count(*) from registry.devices where organization_id = 'demo' and kind = 'simulated'") == 4
    assert one(running.dsn, "select bool_and(metadata->>'source' = 'simulation') from telemetry.telemetry") is True


def test_the_admin_signs_in(running: Platform) -> None:
    session = running.request("POST", "/api/v1/auth/login", {"user": "admin", "password": running.admin_password})
    by_password = running.request("GET", "/api/v1/devices", token=session["access_token"])
    by_token = running.request("GET", "/api/v1/devices", token=running.token())
    assert {d["id"] for d in by_password["items"]} == {d["id"] for d in by_token["items"]} != set()


def test_a_user_is_added_and_changes_the_password(running: Platform) -> None:
    running.installation.must("user", "add", "eve", "--role", "operator", stdin="a long password\n")
    running.installation.must("user", "passwd", "eve", stdin="another password\n")
    session = running.request("POST", "/api/v1/auth/login", {"user": "eve", "password": "another password"})
    assert session["user"]["role"] == "operator"
    again = running.installation.cli("user", "add", "eve", stdin="a long password\n")
    assert again.returncode == 2
    assert "eve" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1


def test_a_second_up_says_that_it_runs(running: Platform) -> None:
    done = running.installation.cli("up")
    assert done.returncode == 2
    assert f"it already runs here (pid {running.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr
    running.wait_ready()


def test_devices_are_added_one_by_one_and_by_the_hundred(running: Platform, tmp_path: Path) -> None:
    single = running.device("kettle", TYPE, tmp_path / "out")
    assert (single["host"], single["port"]) == running.mqtt
    assert Path(single["key"]).stat().st_mode & 0o777 == 0o600
    began = time.monotonic()
    many = running.device("batch", TYPE, tmp_path / "many", "--count", "200")
    assert time.monotonic() - began < 15
    assert [device["id"] for device in many][:2] == ["batch-0", "batch-1"]  # type: ignore[index]
    assert len(many) == 200
    taken = running.installation.cli("device", "add", "kettle", "--type", TYPE, "--out", str(tmp_path / "again"))
    assert taken.returncode == 2
    assert "the id kettle is taken" in taken.stderr
    assert not (tmp_path / "again").exists()


def test_the_files_of_a_device_are_written_anew(running: Platform, tmp_path: Path) -> None:
    first = running.device("lost", TYPE, tmp_path / "first")
    again = json.loads(running.installation.must("device", "certificate", "lost", "--out", str(tmp_path / "again")))
    assert (again["host"], again["port"], again["device_type"]) == (first["host"], first["port"], TYPE)
    for directory in ("first", "again"):  # the earlier certificate holds until it is revoked
        running.installation.must("mqtt", "pub", "--as", str(tmp_path / directory / "lost.json"), "iot/v1/lost/status", "well")
    nobody = running.installation.cli("device", "certificate", "nobody", "--out", str(tmp_path / "nobody"))
    assert (nobody.returncode, nobody.stderr) == (2, "iotsphere: there is no device nobody\n")
    assert not (tmp_path / "nobody").exists()


def test_simulate_ends_with_one_json_line(running: Platform) -> None:
    done = running.installation.must(
        "simulate", "--devices", "3", "--type", TYPE, "--seed", "1", "--rate", "5", "--duration", "4", "--json"
    )
    report = json.loads(done.strip().splitlines()[-1])
    assert report["devices"] == 3
    assert report["published"] >= 20
    assert report["lost"] == 0


@pytest.mark.parametrize("name", ["edge", "cloud", "valkey", "postgres", "demo"])
def test_a_killed_service_comes_back(running: Platform, name: str) -> None:
    restarts = running.service(name)["restarts"]
    running.wait_restarted(name, running.kill(name))
    assert running.service(name)["restarts"] == restarts + 1
    before = readings(running)
    wait_until(lambda: readings(running) > before, f"readings after the death of {name}", 60)


def test_doctor_finds_nothing_to_mend(running: Platform) -> None:
    done = running.installation.cli("doctor")
    assert "fail" not in done.stdout
    assert done.returncode == 0
    assert "engine native" in done.stdout or "engine timescale" in done.stdout
    assert "append-only file on" in done.stdout


def test_dead_letters_are_looked_at_replayed_and_dropped(running: Platform) -> None:
    wait_until(lambda: running.installation.must("device", "list"), "a device", 30)
    device = json.loads(running.installation.must("device", "list").splitlines()[0])["id"]
    for payload in ('{"values": {"temperature_of_a_test": 1}}', "no sense"):
        one(
            running.dsn,
            f"""insert into telemetry.dead_letters (device_id, organization_id, topic, payload, category, reason, size)
                values ('{device}', 'demo', 'iot/v1/{device}/telemetry', '{payload}', 'store', 'a test', 40) returning id""",
        )
    cli = ("telemetry", "dead-letters")
    listed = running.installation.must(*cli, "list", "--reason", "A TEST", "--json").splitlines()
    garbage, good = [json.loads(line) for line in listed]
    assert "no sense" in running.installation.must(*cli, "show", str(garbage["id"]))
    one(running.dsn, "update telemetry.dead_letters set size = octet_length(payload) where reason = 'a test' returning id")
    done = running.installation.cli(*cli, "replay", "--reason", "a test", "--json")
    assert done.returncode == 1, done.stderr
    assert {k: json.loads(done.stdout)[k] for k in ("asked", "came_through", "failed")} == {
        "asked": 2, "came_through": 1, "failed": 1,
    }  # fmt: skip
    found = one(running.dsn, "select count(*) from telemetry.telemetry where measurement = 'temperature_of_a_test'")
    assert found == 1
    assert running.installation.cli(*cli, "show", str(good["id"])).returncode == 2
    assert running.installation.cli(*cli, "drop").returncode == 2
    assert running.installation.must(*cli, "drop", "--reason", "a test") == "dropped 0 dead letters\n"  # it has a new reason now
    unanswered = running.installation.cli(*cli, "drop", "--device", device)
    assert (unanswered.returncode, "Delete 1 dead letter for good?" in unanswered.stdout) == (1, True)
    assert "1 dead letter" in running.installation.must(*cli, "drop", str(garbage["id"]))


def test_a_file_is_imported_and_another_one_tried_out(running: Platform, tmp_path: Path) -> None:
    running.device("importer", TYPE, tmp_path / "keys")
    day, file = time.time() - 86_400, tmp_path / "readings.csv"
    lines = [f"{day + n:.3f};{n};{'x' if n == 7 else n / 2}" for n in range(50_000)]
    file.write_text("\n".join(["when;first;second", *lines]))
    options = ("--device", "importer", "--map", "time=when", "--time-format", "s", "--delimiter", ";", "--json")
    tried = running.installation.cli("telemetry", "import", str(file), *options, "--dry-run")
    assert running.installation.cli("telemetry", "import", str(file), *options).returncode == 1
    found = "select count(*) from telemetry.telemetry where device_id = 'importer' and metadata->>'source' = 'import'"
    assert one(running.dsn, found) == 99_999
    assert json.loads(tried.stdout)["stored"] == 99_999
    assert "second: 'x' is no number" in (tmp_path / "readings.csv.rejects.csv").read_text()
    again = json.loads(running.installation.must("telemetry", "import", str(file), *options))
    assert again["finished_before"] is not None
    wrong = running.installation.cli("telemetry", "import", str(file), "--device", "importer", "--timezone", "Mars")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("iotsphere: map: which column is the time?")


def test_logs_are_shown(running: Platform) -> None:
    assert running.installation.must("logs", "edge", "-n", "5")
    unknown = running.installation.cli("logs", "nothing")
    assert unknown.returncode == 2
    assert "edge" in unknown.stderr


def test_a_backup_becomes_a_new_installation(running: Platform, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    running.installation.must("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    devices = one(running.dsn, "select count(*) from registry.devices")
    in_vain = Installation.at(tmp_path / "restored", mqtt_port=str(running.mqtt[1])).cli("up")  # the port is taken
    assert in_vain.returncode == 2
    restored = Installation.at(tmp_path / "restored")
    restored.must("restore", str(file))
    restored.wait_until_gone()
    with platform(tmp_path / "restored", demo=False) as made:
        assert one(made.dsn, "select count(*) from registry.devices") == devices
        assert readings(made) > 0
        assert {path.stat().st_mode & 0o777 for path in (made.home.certs, made.home.secrets)} == {0o700}
        assert made.admin_password == running.admin_password
        made.request("POST", "/api/v1/auth/login", {"user": "admin", "password": made.admin_password})
    again = restored.cli("restore", str(file))
    assert again.returncode == 2
    assert "already has an installation" in again.stderr


def test_detached_up_returns_when_ready_and_down_leaves_nothing(tmp_path: Path) -> None:
    installation = Installation.at(tmp_path / "home")
    try:
        assert "IoTSphere is ready" in installation.must("up", "--detach", "--no-demo")
        assert installation.status()["ready"]
        assert installation.processes()
        installation.must("down")
        assert installation.processes() == {}
    finally:
        installation.cli("down")
    assert installation.cli("status").returncode == 3
    assert installation.cli("down").returncode == 0


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with platform(tmp_path / "home", demo=False) as made:
        os.kill(made.process.pid, signal.SIGINT)
        assert made.process.wait(30) == 0
        assert made.installation.processes() == {}


def test_a_killed_supervisor_leaves_nothing_and_can_be_started_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with platform(home, demo_devices="1") as made:
        assert len(made.installation.processes()) >= 6
        edge = made.service("edge")["pid"]
        made.process.kill()
        made.process.wait()
        made.installation.wait_until_gone(40)
    with platform(home, demo=False) as again:
        assert again.installation.status()["ready"]
        assert again.service("edge")["pid"] not in (None, edge)
        again.request("GET", "/health/ready")


@pytest.mark.parametrize(("name", "host"), [("http", "127.0.0.1"), ("mqtt", "127.0.0.1"), ("postgres", "127.0.0.1")])
def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, name: str, host: str) -> None:
    with socket.socket() as other:
        other.bind((host, 0))
        other.listen()
        installation = Installation.at(tmp_path / "home", **{f"{name}_port": str(other.getsockname()[1])})
        done = installation.cli("up")
    assert done.returncode == 2
    assert f"set IOTSPHERE_{name.upper()}_PORT" in done.stderr
    assert installation.processes() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_detached_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = Installation.at(tmp_path / "home", mqtt_port=str(other.getsockname()[1])).cli("up", "--detach")
    assert done.returncode == 2
    assert "set IOTSPHERE_MQTT_PORT" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    done = Installation.at(tmp_path / "home", http_port="many").cli("up")
    assert done.returncode == 2
    assert "IOTSPHERE_HTTP_PORT" in done.stderr
    assert "Traceback" not in done.stderr


AS_NOBODY = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")


def interpreter_of_others(environment: dict[str, str]) -> str | None:
    """A Python that another user can run with our packages: root's own may lie where only root can walk."""
    for python in (sys.executable, "/usr/bin/python3"):
        nested = (
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import asyncpg, cryptography, launcher'], check=True)"
        )
        if subprocess.run([*AS_NOBODY, python, "-c", nested], env=environment, capture_output=True).returncode == 0:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="all the other tests run as an ordinary user already")
def test_an_ordinary_user_runs_it_too() -> None:
    home = Path(f"/tmp/iotsphere-nobody-{os.getpid()}")
    installation = Installation.at(home)
    environment = {**installation.environment, "HOME": "/tmp", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    python = interpreter_of_others(environment)
    if python is None:
        pytest.skip("no Python that an ordinary user can run with our packages")
    command = [*AS_NOBODY, python, "-P", "-m", "launcher"]
    try:
        done = subprocess.run([*command, "up", "--detach"], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert {path.owner() for path in home.iterdir()} == {"nobody"}
    finally:
        subprocess.run([*command, "down"], env=environment, capture_output=True, timeout=120)
        left = installation.processes()
        shutil.rmtree(home)
    assert left == {}


def test_stores_elsewhere_are_used_and_not_started(tmp_path: Path, postgres_dsn: str, valkey_url: str) -> None:
    with platform(tmp_path / "home", demo=False, dsn=postgres_dsn, redis_url=valkey_url) as made:
        found = made.installation.status()
        assert found["services"].keys() == {"edge", "cloud"}
        assert found["dsn"] == postgres_dsn
        assert one(postgres_dsn, "select count(*) from registry.users") == 1
        assert not (tmp_path / "home" / "postgres").exists()


def test_names_of_this_machine_are_in_the_certificate_and_addresses(tmp_path: Path) -> None:
    with platform(tmp_path / "home", demo=False, public_host="localhost.localdomain, 127.0.0.2") as made:
        assert made.home.endpoints().mqtts.startswith("mqtts://localhost.localdomain:")
        printed = made.device("d", TYPE, tmp_path / "out")
        assert printed["host"] == "localhost.localdomain"
        context = client_context(Path(printed["ca"]), Path(printed["certificate"]), Path(printed["key"]))
        for name in ("localhost.localdomain", "127.0.0.2", "localhost"):
            with (
                socket.create_connection(("127.0.0.2", printed["port"])) as plain,
                context.wrap_socket(plain, server_hostname=name) as secured,
            ):
                assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_what_goes_over_mqtt_can_be_looked_at(running: Platform, tmp_path: Path) -> None:
    look = ("mqtt", "sub", "--count", "1", "--seconds", "60", "--json")
    found = json.loads(running.installation.must(*look, "--org", "demo", "iot/v1/+/telemetry"))
    assert re.fullmatch(r"iot/v1/demo-[\w-]+/telemetry", found["topic"])
    assert found["format"] == "json"
    assert found["payload"][0]["values"] if isinstance(found["payload"], list) else found["payload"]["values"]
    nobody = running.installation.cli(*look[:4], "--seconds", "0.5", "#")  # the demonstration fleet is another organization's
    assert (nobody.returncode, nobody.stdout) == (1, "")
    refused = running.installation.cli("mqtt", "sub", "$SYS/#")
    assert (refused.returncode, refused.stderr) == (2, "iotsphere: not granted: $SYS/#\n")
    wrong = running.installation.cli("mqtt", "sub", "iot/#/x")
    assert (wrong.returncode, wrong.stderr) == (2, "iotsphere: FILTER: 'iot/#/x' is no topic filter\n")


def test_a_message_is_sent_by_hand_and_a_refusal_is_told(running: Platform, tmp_path: Path) -> None:
    running.device("by-hand", TYPE, tmp_path)
    topic, its_file = "iot/v1/by-hand/status", str(tmp_path / "by-hand.json")
    with subprocess.Popen(
        [*IOTSPHERE, "mqtt", "sub", "--count", "1", "--seconds", "30", "--json", topic],
        env=running.installation.environment, stdout=subprocess.PIPE, text=True,
    ) as listening:  # fmt: skip
        sent = running.installation.must("mqtt", "pub", "--as", its_file, "--retain", topic, "-", stdin="up and well")
        assert sent == f"acknowledged: 11 bytes on {topic} as by-hand\n"
        heard = json.loads(listening.communicate(timeout=60)[0])
        assert (heard["payload"], heard["qos"]) == ("up and well", 1)
    late = running.installation.cli("mqtt", "pub", "--as", its_file, "iot/v1/by-hand/telemetry", '{"ts": 1, "values": {"a": 1}}')
    assert (late.returncode, "but not stored: " in late.stdout, "1970" in late.stdout) == (1, True, True)
    said = "iotsphere: topic: '{}' is refused, nothing was sent: {}\n"
    for arguments, refusal in (
        ((topic,), said.format(topic, "a service does not publish; publish as a device with --as ID.json")),
        (("iot/v1/other/status", "--as", its_file), said.format("iot/v1/other/status", "the topic belongs to other")),
        (("status", "--as", its_file), said.format("status", "no such topic: see the wire contract")),
    ):
        done = running.installation.cli("mqtt", "pub", *arguments)
        assert (done.returncode, done.stderr) == (2, refusal)
