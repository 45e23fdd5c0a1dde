"""The history chart: as fine as it can be drawn, finer where one looks closer, and every reading as a file."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
DAYS, GAP = 29, (10, 12)  # days of which the device was silent
SHOWN_MS = 15_000


@pytest.fixture(scope="module")
def remembered(platform: Platform, device_type: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A device that reported every five minutes for a month, but for two days."""
    out = tmp_path_factory.mktemp("history")
    platform.device("history", device_type["key"], out)
    first, start = device_type["measurements"][0], time.time() - DAYS * 86_400
    low, high = first["low"] or 0.0, first["high"] or 100.0
    rows = [
        f"{start + 300 * n:.0f},{low + (high - low) * (0.5 + 0.2 * math.sin(n / 45) + 0.1 * math.sin(n * 1.3)):.2f}"
        for n in range(DAYS * 288)
        if not GAP[0] <= n / 288 < GAP[1]
    ]
    file = out / "month.csv"
    file.write_text("\n".join([f"time,{first['key']}", *rows]) + "\n")
    platform.installation.must("telemetry", "import", str(file), "--device", "history", "--time-format", "s")
    return "history"


@pytest.fixture
def asked(admin: Page) -> Iterator[list[dict[str, str]]]:
    """What was asked of the history so far."""
    found: list[dict[str, str]] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.path == "/api/v1/telemetry/history":
            found.append({key: values[0] for key, values in parse_qs(address.query).items()})

    admin.on("request", note)
    yield found
    admin.remove_listener("request", note)


def open_month(page: Page, device: str) -> None:
    page.goto(f"/devices/{device}?range=30d")
    expect(page.get_by_test_id("history")).to_contain_text("The line is the mean of each 1 h", timeout=SHOWN_MS)


def length_ms(asked: dict[str, str]) -> float:
    return float(asked["to"]) - float(asked["from"])


def test_a_month_is_drawn_in_buckets_and_dragging_asks_for_a_finer_picture(
    admin: Page, remembered: str, asked: list[dict[str, str]]
) -> None:
    open_month(admin, remembered)
    box = admin.locator("iot-chart .u-over").first.bounding_box()
    assert box is not None
    asked.clear()
    admin.mouse.move(box["x"] + box["width"] * 0.70, box["y"] + 60)
    admin.mouse.down()
    admin.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=4)
    admin.mouse.up()
    expect(admin.get_by_test_id("zoom-back")).to_be_visible()
    expect(admin.get_by_test_id("history")).not_to_contain_text("mean of each", timeout=SHOWN_MS)
    assert length_ms(asked[0]) == pytest.approx(0.05 * 30 * 86_400_000, rel=0.05)
    admin.locator("iot-chart .u-over").first.dblclick()
    expect(admin.get_by_test_id("zoom-back")).to_have_count(0)
    expect(admin.get_by_test_id("history")).to_contain_text("mean of each 1 h", timeout=SHOWN_MS)


def test_zooming_needs_no_mouse(admin: Page, remembered: str, asked: list[dict[str, str]]) -> None:
    open_month(admin, remembered)
    asked.clear()
    zoom = admin.get_by_test_id("zoom")
    zoom.get_by_role("button", name="Zoom in").focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_test_id("zoom-back")).to_be_visible()
    zoom.get_by_role("button", name="Earlier").press("Enter")
    admin.wait_for_timeout(300)
    assert [round(length_ms(one) / 86_400_000, 1) for one in asked] == [15.0, 15.0]
    assert float(asked[1]["to"]) < float(asked[0]["to"])
    admin.get_by_test_id("zoom-back").press("Enter")
    admin.get_by_test_id("zoom-back").press("Enter")
    expect(admin.get_by_test_id("zoom-back")).to_have_count(0)


def test_what_was_silent_stays_empty(admin: Page, remembered: str) -> None:
    open_month(admin, remembered)
    holes = admin.locator("iot-chart").first.evaluate("(chart) => chart.plot.data[1].filter((value) => value === null).length")
    assert holes == 1


def test_the_file_holds_every_reading(admin: Page, remembered: str) -> None:
    open_month(admin, remembered)
    with admin.expect_download(timeout=SHOWN_MS) as download:
        admin.get_by_test_id("history-csv").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "time,device,measurement,value,unit,title,source,quality"
    assert len(lines) == 1 + (DAYS - (GAP[1] - GAP[0])) * 288
    assert lines[1].split(",")[6] == "import"


def test_what_has_readings_is_shown_first(admin: Page, remembered: str, device_type: dict[str, Any]) -> None:
    first = device_type["measurements"][0]
    other = next(m for m in device_type["measurements"] if m["unit"] != first["unit"] and m["widget"] != "switch")
    now, answer = time.time() * 1000, {"device": remembered, "simulated": False, "resolution": "raw", "step_s": None}
    columns = {"ts": [now - 60_000, now - 30_000], other["key"]: [other["low"] or 0, other["high"] or 1]}
    body = {**answer, "columns": columns, "aggregates": {}, "downsampled": False, "unit": {}, "title": {}}
    admin.route("**/api/v1/telemetry/history?**", lambda route: route.fulfill(json=body))
    admin.goto(f"/devices/{remembered}")
    expect(admin.get_by_test_id(f"series-{other['key']}")).to_have_attribute("aria-pressed", "true", timeout=SHOWN_MS)
    expect(admin.get_by_test_id(f"series-{first['key']}")).to_have_attribute("aria-pressed", "false")
    admin.get_by_test_id(f"series-{first['key']}").click()
    expect(admin.get_by_text("No readings in this stretch.")).to_have_count(1)


def test_what_is_out_of_range_and_what_was_imported_say_so(
    admin: Page, platform: Platform, device_type: dict[str, Any], tmp_path: Path
) -> None:
    first = next(m for m in device_type["measurements"] if m["low"] is not None and m["high"] is not None)
    platform.device("spiky", device_type["key"], tmp_path)
    now, good = time.time() - 300, (first["low"] + first["high"]) / 2
    file = tmp_path / "spike.csv"
    file.write_text(f"time,{first['key']}\n{now:.0f},{good}\n{now + 10:.0f},{first['high'] + 899}\n{now + 20:.0f},{good}\n")
    platform.installation.must("telemetry", "import", str(file), "--device", "spiky", "--time-format", "s")
    admin.goto("/devices/spiky")
    expect(admin.get_by_test_id(f"value-{first['key']}")).to_contain_text("Imported", timeout=SHOWN_MS)
    notice = admin.get_by_test_id(f"outside-{first['key']}")
    expect(notice).to_contain_text("1 reading is out of range", timeout=SHOWN_MS)
    expect(notice).to_contain_text(f"highest {first['high'] + 899:,.{first['decimals']}f} {first['unit']}")
    admin.get_by_test_id("history").get_by_text("View as table").click()
    row = admin.get_by_test_id("history").get_by_role("row", name=first["title"])
    expect(row.locator("[data-label=Highest]")).to_contain_text("Out of range")
    expect(row.locator("[data-label=Lowest]")).not_to_contain_text("Out of range")
