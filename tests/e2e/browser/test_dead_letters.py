"""What could not be stored is looked at, replayed and dropped in the page."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from device_sdk import Device
from iotsphere.topics import telemetry
from tests.e2e.browser.test_refused import attempt
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
SHOWN_MS = 15_000


@pytest.fixture
def buried(platform: Platform, certificates: Path, plain: Device) -> str:
    """A device of which three values could not be stored."""
    plain.close()
    for payload in ({"values": {"odd one": 1}}, {"values": {"odd two": 2}}, {"values": {"odd three": 3}}):
        body = json.dumps(payload)
        attempt(platform, certificates, plain.id, lambda c, b=body: c.publish(telemetry(plain.id), b, 1).wait_for_publish(10))
    return plain.id


def test_they_are_found_shown_replayed_and_dropped(admin: Page, buried: str) -> None:
    admin.goto(f"/devices/{buried}")
    expect(admin.get_by_test_id("refusals")).to_contain_text("odd three", timeout=SHOWN_MS)
    admin.get_by_test_id("refusals").get_by_role("link", name="Dead letters").click()
    rows = admin.get_by_test_id("letters").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(admin.get_by_label("Device")).to_have_value(buried)
    rows.first.get_by_role("button", name="Payload").click()
    expect(admin.locator("pre.payload")).to_contain_text('"odd three": 3')
    admin.get_by_label("Choose letter").first.check()
    admin.get_by_test_id("replay").click()
    admin.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(admin.get_by_text("0 of 1 message came through; 1 failed again")).to_be_visible(timeout=SHOWN_MS)
    expect(rows.first).to_contain_text("Replayed in vain 1 time")
    admin.get_by_label("Reason", exact=True).fill("odd two")
    admin.get_by_label("Reason", exact=True).press("Enter")
    expect(rows).to_have_count(1)
    admin.get_by_test_id("drop").click()
    admin.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(1)
    admin.get_by_test_id("drop").click()
    admin.get_by_role("dialog").get_by_role("button", name="Drop").click()
    expect(admin.get_by_text("1 dead letter dropped.")).to_be_visible()
    expect(admin.get_by_text("No dead letter matches.")).to_be_visible()


def test_the_filter_is_in_the_address(admin: Page) -> None:
    admin.goto("/dead-letters?category=clock&reason=behind")
    expect(admin.get_by_label("Kind")).to_have_value("clock")
    expect(admin.get_by_label("Reason", exact=True)).to_have_value("behind")
    admin.get_by_label("Kind").select_option("All kinds")
    expect(admin).to_have_url("/dead-letters?reason=behind")
