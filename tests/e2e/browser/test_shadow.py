"""What the device answers to a wish stands on its page."""

from threading import Event
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from device_sdk import Device

pytestmark = pytest.mark.e2e
ANSWERS_MS = 15_000


@pytest.mark.parametrize(
    ("code", "text"),
    [(202, "In progress: warming up"), (400, "Refused by the device: above 60 °C"), (500, "Failed: the relay sticks")],
)
def test_the_answer_of_a_device(admin: Page, plain: Device, device_type: dict[str, Any], code: int, text: str) -> None:
    prop = next(p for p in device_type["properties"] if p["writable"] and p["kind"] == "number")
    admin.goto(f"/devices/{plain.id}")
    wanted, told = str(round(prop["high"]) - code % 7), Event()
    plain.on_desired(lambda delta: told.set())
    admin.get_by_label(prop["title"], exact=True).fill(wanted)
    admin.get_by_test_id("shadow-apply").click()
    row = admin.get_by_test_id(f"shadow-{prop['key']}")
    expect(row.get_by_test_id("desired")).to_contain_text(wanted)
    expect(row.get_by_test_id("state")).to_contain_text("Pending")
    assert told.wait(ANSWERS_MS / 1000)
    answer = {"value": prop["low"], "ac": code, "av": plain.desired_version, "ad": text.partition(": ")[2]}
    plain.report({prop["key"]: answer})
    expect(row.get_by_test_id("state")).to_contain_text(text, timeout=ANSWERS_MS)
    expect(row.get_by_test_id("reported")).to_contain_text(str(round(prop["low"])))
