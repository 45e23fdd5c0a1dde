"""The device page tells which messages of a device never came."""

import pytest
from playwright.sync_api import Page, expect

from device_sdk import Device

pytestmark = pytest.mark.e2e


def test_what_came_and_what_never_did(admin: Page, plain: Device) -> None:
    for n in range(5):
        assert plain.publish({"n": n}).wait(10)
    plain._session.keeping.seq += 2  # as if two messages never left the device
    assert plain.publish({"n": 9}).wait(10)
    panel = admin.get_by_test_id("gaps")
    numbers = panel.get_by_test_id("numbers")
    for _ in range(20):  # accounts are a moment behind, half a minute at most
        admin.goto(f"/devices/{plain.id}")
        expect(panel).to_be_visible()
        admin.wait_for_timeout(2000)
        if numbers.count() and "received 6" in numbers.inner_text():
            break
    expect(numbers).to_have_text("received 6, missing 2, declared lost 0, repeated 0, late 0")
    expect(panel.get_by_text("Messages are missing")).to_be_visible()
    expect(panel.get_by_text("6–7")).to_be_hidden()
    panel.get_by_text("Missing", exact=True).click()
    expect(panel.get_by_text("6–7")).to_be_visible()


def test_a_device_that_has_sent_nothing(admin: Page, plain: Device) -> None:
    admin.route("**/gaps", lambda route: route.fulfill(json={"device": plain.id, "simulated": False, "items": []}))
    admin.goto(f"/devices/{plain.id}")
    expect(admin.get_by_test_id("gaps")).to_contain_text("does not number its messages")
