"""From *Add device* to its first message, with what the page gives out and nothing else."""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
ARRIVES_MS = 15_000


def added(page: Page, name: str, device_type: dict[str, Any], into: Path) -> None:
    """Register a device in the page and unpack what it hands out."""
    page.get_by_role("link", name="Add device", exact=True).click()
    page.get_by_label("Device id").fill(name)
    page.get_by_label("Type").select_option(device_type["key"])
    page.get_by_test_id("add-submit").click()
    with page.expect_download() as download:
        page.get_by_test_id("add-download").click()
    assert download.value.suggested_filename == f"{name}.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(into)


@pytest.mark.parametrize("way", ["python", "mosquitto_pub"])
def test_the_lines_on_the_page_bring_the_first_message(
    admin: Page, device_type: dict[str, Any], tmp_path: Path, python: str, way: str
) -> None:
    if way == "mosquitto_pub" and not shutil.which("mosquitto_pub"):
        pytest.skip("mosquitto_pub is not installed")
    added(admin, f"new-{way.replace('_', '-')}", device_type, tmp_path)
    for file in tmp_path.iterdir():
        expect(admin.get_by_role("listitem").filter(has=admin.get_by_test_id("add-download"))).to_contain_text(file.stem)
    waiting = admin.get_by_test_id("add-waiting")
    expect(waiting).to_have_attribute("data-state", "waiting")
    text = admin.get_by_test_id(f"copy-{way}").inner_text()
    run = [python, "-c", text] if way == "python" else ["sh", "-c", text]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    expect(waiting).to_have_attribute("data-state", "received", timeout=ARRIVES_MS)
    admin.get_by_role("link", name="Open the device", exact=True).click()
    expect(admin.get_by_test_id("fact-data")).to_contain_text("ago")
    expect(admin.get_by_test_id("fact-connected")).to_contain_text("clean")  # it said good-bye


def test_what_is_no_id_is_said_at_its_field(admin: Page) -> None:
    admin.get_by_role("link", name="Add device", exact=True).click()
    admin.get_by_label("Device id").fill("no id!")
    admin.get_by_test_id("add-submit").click()
    expect(admin.locator("#id-error")).to_contain_text("no device id")
    expect(admin.get_by_label("Device id")).to_have_attribute("aria-invalid", "true")
