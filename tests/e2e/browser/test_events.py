"""The device page shows what a device tells on its own account."""

import pytest
from playwright.sync_api import Page, expect

from device_sdk import Device

pytestmark = pytest.mark.e2e


def test_events_and_the_status_text(admin: Page, plain: Device) -> None:
    admin.goto(f"/devices/{plain.id}")
    expect(admin.get_by_test_id("events")).to_contain_text("has told nothing yet")
    expect(admin.get_by_test_id("fact-status")).to_have_count(0)
    assert plain.event("started", data={"cold": True}).wait(10)
    assert plain.event("leak_found", "critical", {"litres": 3}).wait(10)
    assert plain.status("pumping <b>hard</b>").wait(10)
    rows = admin.get_by_test_id("event")
    expect(rows).to_have_count(2, timeout=20_000)  # without a reload
    expect(rows.nth(0)).to_contain_text("leak found")
    expect(rows.nth(0).locator(".mark.crit svg")).to_be_visible()
    expect(rows.nth(0).locator(".mark.crit")).to_have_text("Critical")
    expect(rows.nth(0)).to_contain_text("litres: 3")
    expect(rows.nth(1)).to_contain_text("cold: yes")
    expect(admin.get_by_test_id("fact-status")).to_contain_text("pumping <b>hard</b>", timeout=20_000)
