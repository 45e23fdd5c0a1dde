"""The page when the platform goes away and comes back."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from device_sdk import Device
from tests.support.browser import sign_in
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
BACK_MS = 60_000


def test_a_banner_while_the_cloud_is_away_and_values_after(
    context: BrowserContext, platform: Platform, plain: Device, device_type: dict[str, Any]
) -> None:
    page = context.new_page()  # not the watched one: a browser itself reports connections that fail
    sign_in(page, "admin", platform.admin_password)
    page.goto(f"/devices/{plain.id}")
    expect(page.get_by_test_id("live-state")).to_contain_text("Live")
    platform.kill("cloud")
    expect(page.get_by_test_id("lost")).to_contain_text("Connection lost", timeout=15_000)
    key, title = device_type["measurements"][0]["key"], device_type["measurements"][0]["title"]
    assert plain.publish({key: 33.0}).wait(20)  # the device does not notice
    expect(page.get_by_test_id("lost")).to_have_count(0, timeout=BACK_MS)
    expect(page.get_by_test_id("live-state")).to_contain_text("Live")
    expect(page.get_by_test_id(f"value-{key}"), f"{title} is fetched again").to_contain_text("33")
    assert plain.publish({key: 34.0}).wait(20)
    expect(page.get_by_test_id(f"value-{key}")).to_contain_text("34", timeout=BACK_MS)
