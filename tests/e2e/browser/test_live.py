"""What happens to a device is seen in the page, and what the page asks happens to the device."""

from typing import Any

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from device_sdk import Device
from tests.support.browser import sign_in
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
OBEYS_MS = 20_000
MOST_TABS = 120


@pytest.fixture(scope="module")
def measurement(device_type: dict[str, Any]) -> dict[str, Any]:
    return next(m for m in device_type["measurements"] if m["widget"] in {"gauge", "number"} and m["high"])


def shown(measurement: dict[str, Any], value: float) -> str:
    return f"{value:.{measurement['decimals']}f}"


def publish(device: Device, measurement: dict[str, Any], share: float) -> str:
    """Send a value at this share of the range; returns how it must look."""
    value = measurement["low"] + share * (measurement["high"] - measurement["low"])
    assert device.publish({measurement["key"]: value}).wait(10)
    return shown(measurement, value)


def card(page: Page, device: str) -> Locator:
    return page.locator(f'[data-testid="device-card"][data-device="{device}"]')


def test_a_value_on_the_fleet_page_follows_the_device(admin: Page, plain: Device, measurement: dict[str, Any]) -> None:
    for share in (0.31, 0.47):
        text = publish(plain, measurement, share)
        expect(card(admin, plain.id).locator(f'[data-measurement="{measurement["key"]}"]')).to_contain_text(text, timeout=3000)


def test_a_reading_that_comes_while_the_list_is_on_its_way_is_shown(
    page: Page, platform: Platform, plain: Device, measurement: dict[str, Any]
) -> None:
    first: list[APIResponse] = []

    def old(route: Route) -> None:
        if not first:
            first.append(route.fetch())
            publish(plain, measurement, 0.23)
        route.fulfill(response=first[0])

    page.route("**/api/v1/devices?*", old)
    sign_in(page, "admin", platform.admin_password)
    value = shown(measurement, measurement["low"] + 0.23 * (measurement["high"] - measurement["low"]))
    expect(card(page, plain.id)).to_contain_text(value)


def test_a_value_on_the_device_page_follows_the_device(admin: Page, plain: Device, measurement: dict[str, Any]) -> None:
    admin.goto(f"/devices/{plain.id}")
    expect(admin.get_by_test_id("fact-connected")).to_contain_text("Connected")
    for share in (0.52, 0.64):
        text = publish(plain, measurement, share)
        expect(admin.get_by_test_id(f"value-{measurement['key']}")).to_contain_text(text, timeout=3000)
    expect(admin.get_by_role("img", name=f"last {text}")).to_be_visible()  # the chart says in words what it draws


def test_what_is_remarkable_about_a_value_is_said_with_it(admin: Page, plain: Device, measurement: dict[str, Any]) -> None:
    here = card(admin, plain.id)
    publish(plain, measurement, 1.5)
    expect(here.get_by_text("Out of range")).to_be_visible()
    assert plain.publish({"guess": 1.0}).wait(10)
    admin.goto(f"/devices/{plain.id}")
    for _ in range(2):  # as the server marks it
        expect(admin.get_by_test_id(f"value-{measurement['key']}")).to_contain_text("Out of range")
        expect(admin.get_by_test_id("value-guess")).to_contain_text("Undeclared")
        admin.reload()
    publish(plain, measurement, 0.5)
    expect(admin.get_by_test_id(f"value-{measurement['key']}")).not_to_contain_text("Out of range")


def test_only_what_is_simulated_is_marked_so(admin: Page, plain: Device, demo: str) -> None:
    expect(admin.get_by_test_id("simulated-bar")).to_contain_text("simulated")
    expect(card(admin, demo).get_by_text("SIMULATED")).to_be_visible()
    expect(card(admin, plain.id)).to_be_visible()
    expect(card(admin, plain.id).get_by_text("SIMULATED")).to_have_count(0)
    admin.goto(f"/devices/{plain.id}")
    expect(admin.get_by_test_id("history")).to_be_visible()
    expect(admin.get_by_text("simulated")).to_have_count(0)
    admin.goto(f"/devices/{demo}")
    expect(admin.get_by_test_id("simulated-bar")).to_be_visible()
    expect(admin.locator("iot-chart .sim").first).to_have_text("simulated")


def test_a_setting_is_obeyed(admin: Page, demo: str, device_type: dict[str, Any]) -> None:
    prop = next(p for p in device_type["properties"] if p["writable"] and p["kind"] == "number")
    wanted = str(round(prop["low"] + 0.6 * (prop["high"] - prop["low"])) + 1)
    admin.goto(f"/devices/{demo}")
    admin.get_by_label(prop["title"], exact=True).fill(wanted)
    admin.get_by_test_id("shadow-apply").click()
    row = admin.get_by_test_id(f"shadow-{prop['key']}")
    expect(row.get_by_test_id("desired")).to_contain_text(wanted)
    expect(row.get_by_test_id("reported")).to_contain_text(wanted, timeout=OBEYS_MS)
    expect(row.get_by_test_id("state")).to_contain_text("In effect")


def test_a_setting_out_of_range_is_refused_beside_its_field(admin: Page, demo: str, device_type: dict[str, Any]) -> None:
    prop = next(p for p in device_type["properties"] if p["writable"] and p["kind"] == "number")
    admin.goto(f"/devices/{demo}")
    admin.get_by_label(prop["title"], exact=True).fill(str(prop["high"] + 1))
    admin.get_by_test_id("shadow-apply").click()
    expect(admin.locator(f"#set-{prop['key']}-error")).to_contain_text("must be at most")


def test_a_command_by_keyboard_alone(admin: Page, demo: str, device_type: dict[str, Any]) -> None:
    command = next(c for c in device_type["commands"] if not c["risky"])
    admin.goto(f"/devices/{demo}")
    admin.get_by_test_id("commands").wait_for()
    tab_to(admin, f"command-{command['name']}")
    admin.keyboard.press("Enter")
    tab_to(admin, "command-run")
    admin.keyboard.press("Enter")
    first = admin.get_by_test_id("command").first
    expect(first).to_have_attribute("data-status", "succeeded", timeout=OBEYS_MS)
    expect(first).to_contain_text("queued")
    expect(first).to_contain_text("by admin")


def tab_to(page: Page, test_id: str) -> None:
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.dataset?.testid") == test_id:
            return
    pytest.fail(f"{test_id} cannot be reached with {MOST_TABS} tabs")
