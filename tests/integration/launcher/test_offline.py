"""The platform in memory, on which makers of devices test: it must treat a device as the real one does."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_sdk import AioDevice, Batching, Device, in_progress
from iotsphere.errors import InvalidInput, NotFound
from launcher.testing import OfflinePlatform
from tests.support.pump import PUMP

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).parents[3] / "examples"
HASTE = {"first_retry_s": 0.05, "longest_retry_s": 0.2}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflinePlatform]:
    monkeypatch.setattr("launcher.testing.known_type", lambda key: {"test_pump": PUMP}[key])
    made = OfflinePlatform(tmp_path, {"test_pump": PUMP})
    made.start()
    try:
        made.add("p", "test_pump")
        yield made
    finally:
        made.stop()


@pytest.fixture
def pump(platform: OfflinePlatform) -> Iterator[Device]:
    with Device.from_directory(platform.add("p", "test_pump"), "p", device_type=PUMP, **HASTE) as made:
        yield made


def test_what_a_device_says_is_seen(platform: OfflinePlatform, pump: Device) -> None:
    assert pump.publish({"flow": 3}, 1000.5).wait(5)
    assert pump.publish_all([{"flow": 4}, {"pressure": 2}]).wait(5)
    assert pump.event("dry", "critical", {"for": 3}).wait(5)
    assert pump.status("pumping").wait(5)
    assert [(r.values, r.seq) for r in platform.readings("p")] == [({"flow": 3}, 1), ({"flow": 4}, 2), ({"pressure": 2}, 3)]
    assert platform.readings("p")[0].ts == 1000.5
    assert [(e.name, e.severity, e.data) for e in platform.events("p")] == [("dry", "critical", {"for": 3})]
    assert platform.status("p") == "pumping"
    assert platform.connected("p")


def test_shadows_follow_the_platforms_rules(platform: OfflinePlatform, pump: Device) -> None:
    pump.on_desired(lambda wish: {"speed": in_progress("spinning up", value=100)})
    with pytest.raises(InvalidInput, match=r"desired\.speed"):
        platform.set_desired("p", {"speed": 9000})
    with pytest.raises(NotFound):
        platform.set_desired("nobody", {"speed": 1})
    platform.set_desired("p", {"speed": 900})
    platform.until(lambda: platform.reported("p"))
    assert platform.reported("p") == {"speed": {"value": 100, "ac": 202, "av": 1, "ad": "spinning up"}}
    assert platform.delta("p") == {"speed": 900}
    assert pump.report({"speed": 900}).wait(5)
    assert (platform.delta("p"), platform.desired("p")) == ({}, {"speed": 900})


def test_commands_go_round_once_each(platform: OfflinePlatform, pump: Device) -> None:
    runs = []
    pump.on_command("prime")(lambda params: runs.append(params) or {"ok": True})  # type: ignore[func-returns-value]
    assert platform.command("p", "prime", {"seconds": 5}, id="c1").result == {"ok": True}
    assert platform.command("p", "prime", {"seconds": 5}, id="c1").result == {"ok": True}
    assert runs == [{"seconds": 5}]
    assert platform.command("p", "stop").status == "rejected"
    with pytest.raises(InvalidInput):
        platform.command("p", "prime", {"seconds": 5000})


def test_a_device_that_is_cut_off_comes_back_and_hears_what_was_wished_meanwhile(platform: OfflinePlatform, pump: Device) -> None:
    pump.on_desired(lambda wish: wish)
    platform.cut("p")
    platform.until(lambda: pump.attempts > 1 and pump.connected)
    with platform.away():
        platform.set_desired("p", {"mode": "eco"})
        pump.publish({"flow": 1})
        assert not platform.connected("p")
    platform.until(lambda: platform.reported("p") == {"mode": "eco"} and platform.readings("p"))


def test_what_is_refused_is_told(platform: OfflinePlatform, tmp_path: Path) -> None:
    files = platform.add("p", "test_pump")
    platform._cloud.registry._records.clear()
    with pytest.raises(Exception, match="refused"):
        Device.from_directory(files, "p", device_type=PUMP).connect()
    platform.until(lambda: platform.refused("p"))


async def test_the_asyncio_client_and_messagepack(platform: OfflinePlatform) -> None:
    made = AioDevice.from_directory(
        platform.add("p", "test_pump"), "p", device_type=PUMP, encoding="msgpack", batching=Batching(count=2)
    )

    async def stop(params: dict[str, object]) -> None:
        await asyncio.sleep(0)

    made.on_command("stop")(stop)
    async with made:
        assert await (await made.publish_all([{"flow": n} for n in range(3)]))
        assert (await asyncio.to_thread(platform.command, "p", "stop")).status == "succeeded"
    assert [r.values["flow"] for r in platform.readings("p")] == [0, 1, 2]


def test_the_example_of_a_devices_test_runs_as_printed() -> None:
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--rootdir",
        ".",
        "-c",
        "/dev/null",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
    )
    done = subprocess.run([*command, "test_heater.py"], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
