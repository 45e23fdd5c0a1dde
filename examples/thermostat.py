"""A water heater: `python thermostat.py DIRECTORY ID`, with what was written there by
`iotsphere device add ID --type water_heater --out DIRECTORY`."""

import sys
import time

from device_sdk import Device

heater = Device.from_directory(sys.argv[1], sys.argv[2])
water, settings = 20.0, {"target_temperature": 55.0, "mode": "comfort"}


@heater.on_desired
def obey(wish):
    settings.update(wish)
    return wish  # what is returned is reported


@heater.on_command("run_self_test")
def self_test(params):
    return {"sensor": True, "temperature": round(water, 1)}


with heater:
    heater.report(settings)
    while True:
        heating = water < settings["target_temperature"]
        water += 0.5 if heating else -0.1
        heater.publish({"water_temperature": round(water, 2), "element_power": 3000 if heating else 0})
        time.sleep(2)
