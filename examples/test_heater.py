"""How to test a device offline, in a second: `pip install ".[testing]"` in a clone, the
conftest.py beside this file, `pytest`."""

import pytest

from device_sdk import Device, refused


@pytest.fixture
def heater(offline_platform):
    device = Device.from_directory(offline_platform.add("heater-1", "water_heater"), "heater-1", longest_retry_s=0.2)

    @device.on_desired
    def obey(wish):
        target = wish["target_temperature"]
        return {"target_temperature": target if target <= 60 else refused("above 60 °C", value=60.0)}

    @device.on_command("run_self_test")
    def self_test(params):
        return {"sensor": True}

    with device:
        yield device


def test_readings_and_events_arrive(heater, offline_platform):
    assert heater.publish({"water_temperature": 54.2}).wait(5)
    assert heater.event("relief_valve_opened", "warning").wait(5)
    assert [reading.values for reading in offline_platform.readings("heater-1")] == [{"water_temperature": 54.2}]
    assert [event.name for event in offline_platform.events("heater-1")] == ["relief_valve_opened"]


def test_wishes_are_obeyed_or_refused(heater, offline_platform):
    offline_platform.set_desired("heater-1", {"target_temperature": 55.0})
    offline_platform.until(lambda: offline_platform.reported("heater-1") == {"target_temperature": 55.0})
    offline_platform.set_desired("heater-1", {"target_temperature": 75.0})
    offline_platform.until(lambda: offline_platform.reported("heater-1")["target_temperature"] != 55.0)
    assert offline_platform.reported("heater-1")["target_temperature"]["ad"] == "above 60 °C"


def test_a_command_is_answered(heater, offline_platform):
    answer = offline_platform.command("heater-1", "run_self_test")
    assert (answer.status, answer.result) == ("succeeded", {"sensor": True})


def test_what_is_published_while_the_platform_is_away_comes_later(heater, offline_platform):
    with offline_platform.away():
        for number in range(20):
            heater.publish({"flow": number})
    offline_platform.until(lambda: len(offline_platform.readings("heater-1")) == 20)
    offline_platform.until(lambda: heater.backlog == 0)
