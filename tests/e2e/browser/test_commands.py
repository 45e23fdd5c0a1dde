"""What becomes of a command, in words; and why one could not be given or taken back."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from device_sdk import Device
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
SHOWN_MS = 15_000


@pytest.fixture
def command(device_type: dict[str, Any]) -> dict[str, Any]:
    """One that has a parameter."""
    return next(c for c in device_type["commands"] if c["params"] and not c["risky"])


def give(platform: Platform, device: str, command: dict[str, Any], **more: Any) -> str:
    body = {"name": command["name"], **more}
    return str(platform.request("POST", f"/api/v1/devices/{device}/commands", body, platform.token())["id"])


def newest(page: Page, status: str) -> Locator:
    found = page.get_by_test_id("command").first
    expect(found).to_have_attribute("data-status", status, timeout=SHOWN_MS)
    return found


def test_every_end_is_told_in_words(admin: Page, platform: Platform, plain: Device, command: dict[str, Any]) -> None:
    admin.goto(f"/devices/{plain.id}")
    give(platform, plain.id, command)  # the device knows no commands
    expect(newest(admin, "rejected")).to_contain_text("The device refused it: this device has no command")
    plain.close()
    give(platform, plain.id, command, timeout=0.5)
    expect(newest(admin, "expired")).to_contain_text("it was never sent")


@pytest.mark.usefixtures("failing_requests")
def test_a_cancellation_that_fails_says_so_where_it_was_asked_for(
    admin: Page, platform: Platform, plain: Device, command: dict[str, Any]
) -> None:
    plain.close()
    given = give(platform, plain.id, command, timeout=600)
    give(platform, plain.id, command, timeout=600)
    admin.goto(f"/devices/{plain.id}")
    mine = admin.get_by_test_id("command").nth(1)
    admin.route(f"**/commands/{given}/cancel", lambda route: route.abort())
    mine.get_by_role("button", name="Cancel").click()
    expect(mine.get_by_test_id("command-problem")).to_have_text("The platform cannot be reached.")
    expect(admin.get_by_test_id("command-problem")).to_have_count(1)
    admin.unroute(f"**/commands/{given}/cancel")
    mine.get_by_role("button", name="Cancel").click()
    expect(mine).to_have_attribute("data-status", "cancelled")
    expect(mine).to_contain_text("Taken back before it was sent")
    expect(admin.get_by_test_id("command-problem")).to_have_count(0)


@pytest.mark.usefixtures("failing_requests")
def test_every_refused_parameter_is_marked(admin: Page, plain: Device, command: dict[str, Any]) -> None:
    key = command["params"][0]["key"]
    errors = [{"field": "params.unknown", "reason": "there is none"}, {"field": f"params.{key}", "reason": "must be odd"}]
    body = {"title": "Unprocessable", "detail": "two are wrong", "field": "params.unknown", "errors": errors}
    admin.route("**/commands", lambda route: route.fulfill(status=422, json=body))
    admin.goto(f"/devices/{plain.id}")
    admin.get_by_test_id(f"command-{command['name']}").click()
    admin.get_by_test_id("command-run").click()
    expect(admin.locator(f"#param-{key}-error")).to_have_text("must be odd")
    expect(admin.get_by_test_id("commands").get_by_text("two are wrong")).to_be_visible()


def test_older_commands_come_page_by_page(admin: Page, platform: Platform, plain: Device, command: dict[str, Any]) -> None:
    plain.close()
    token, body, path = platform.token(), {"name": command["name"], "timeout": 600}, f"/api/v1/devices/{plain.id}/commands"
    for _ in range(23):
        platform.request("POST", path, body, token)
    every = len(platform.request("GET", f"{path}?limit=40", token=token)["items"])  # other tests' too
    admin.goto(f"/devices/{plain.id}")
    shown, older = admin.get_by_test_id("command"), admin.get_by_test_id("commands-older")
    expect(shown).to_have_count(4, timeout=SHOWN_MS)
    expect(older).to_have_count(0)
    admin.get_by_test_id("commands").get_by_role("button", name="Show more").click()
    expect(shown).to_have_count(20)
    older.click()
    expect(shown).to_have_count(every)
    expect(older).to_have_count(0)
    admin.get_by_test_id("commands").get_by_role("button", name="Show fewer").click()
    expect(shown).to_have_count(4)
    expect(admin.get_by_test_id("commands").get_by_role("button", name=f"Show all {every}")).to_be_visible()
