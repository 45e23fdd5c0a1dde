"""Debian's Chromium against the whole platform. Without Chromium these tests are skipped; REQUIRE_BROWSER=1 lets them fail."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Page, Playwright, expect, sync_playwright

from device_sdk import Device
from tests.support.browser import ARGUMENTS, CHROMIUM, sign_in
from tests.support.platform import Platform
from tests.support.platform import platform as running_platform

WITHIN_MS = 15_000


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}: apt-get install chromium, or set CHROMIUM"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": ARGUMENTS}


# The plug-in keeps these for the whole session. Playwright's event loop then counts as running in the main thread, and every
# asyncio test that follows fails: here they end with the module.


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser_type(playwright: Playwright) -> BrowserType:
    return playwright.chromium


@pytest.fixture(scope="module")
def browser(browser_type_launch_args: dict[str, Any], browser_type: BrowserType) -> Iterator[Browser]:
    browser = browser_type.launch(**browser_type_launch_args)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def platform(browser_type_launch_args: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform with its demo fleet. Asks for the browser first: without one there is nothing to start it for."""
    with running_platform(tmp_path_factory.mktemp("platform")) as started:
        yield started


@pytest.fixture(scope="session")
def base_url(platform: Platform) -> str:
    return platform.http


@pytest.fixture(scope="session")
def browser_context_args(base_url: str) -> dict[str, Any]:
    return {"base_url": base_url, "viewport": {"width": 1440, "height": 1000}, "locale": "en-GB"}


@pytest.fixture
def failing_requests() -> str:
    """For a test that lets requests fail: what the browser says about that of itself."""
    return "Failed to load resource"


@pytest.fixture
def page(page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must say nothing on its console and obey its content security policy."""
    page.set_default_timeout(WITHIN_MS)
    expect.set_options(timeout=WITHIN_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    expected = request.getfixturevalue("failing_requests") if "failing_requests" in request.fixturenames else "\n"
    assert [text for text in said if not text.startswith(expected)] == []


@pytest.fixture
def admin(page: Page, platform: Platform) -> Page:
    """Signed in, on the fleet page."""
    sign_in(page, "admin", platform.admin_password)
    return page


@pytest.fixture(scope="session")
def device_type(platform: Platform) -> dict[str, Any]:
    """The type of the demo fleet, as it declares itself."""
    types: list[dict[str, Any]] = platform.request("GET", "/api/v1/device-types", token=platform.token())
    return types[0]


@pytest.fixture(scope="session")
def demo(platform: Platform) -> str:
    """A simulated device."""
    items = platform.request("GET", "/api/v1/devices?organization=demo", token=platform.token())["items"]
    assert items
    assert all(d["simulated"] for d in items)
    return str(items[0]["id"])


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where keys and certificates of devices are."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def plain(
    platform: Platform, certificates: Path, device_type: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Device]:
    """A connected device that is not simulated."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    platform.device(name, device_type["key"], certificates)
    device = Device.from_directory(certificates, name, undeclared=True)
    device.connect()
    yield device
    device.close()


@pytest.fixture
def python() -> str:
    return sys.executable
