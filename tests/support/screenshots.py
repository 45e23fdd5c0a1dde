"""Pictures of every page of a running platform, for the documentation; of the main two also as wide as a phone.

    python -m tests.support.screenshots [OUT]

Signs in as the administrator of the home that IOTSPHERE_HOME names.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from iotsphere.settings import Settings
from launcher.home import Home
from tests.support.browser import ARGUMENTS, CHROMIUM, THEMES, WIDTHS, Theme, settled, sign_in

OUT = Path(__file__).parents[2] / "docs" / "images"
ON_A_PHONE = {"fleet", "device"}
DRAWN_MS = 1500  # charts and live values


def main(out: Path) -> None:
    """Take them all."""
    home = Home(Settings().home)
    url, password = home.endpoints().http, home.admin_password_file.read_text().strip()
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for theme in THEMES:
            for width in WIDTHS:
                _take(browser, url, password, theme, width, out)
        browser.close()


def _take(browser: Browser, url: str, password: str, theme: Theme, width: int, out: Path) -> None:
    context = browser.new_context(base_url=url, viewport=WIDTHS[width], color_scheme=theme, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    page.get_by_role("button", name="Sign in").wait_for()
    wide = width == max(WIDTHS)
    name = theme if wide else f"{theme}-phone"
    if wide:
        page.screenshot(path=out / f"sign-in-{name}.png")
    sign_in(page, "admin", password)
    for title, path in _paths(page).items():
        if not wide and title not in ON_A_PHONE:
            continue
        page.goto(path)
        settled(page)
        page.wait_for_timeout(DRAWN_MS)
        page.screenshot(path=out / f"{title}-{name}.png", full_page=True)
    context.close()


def _paths(page: Page) -> dict[str, str]:
    page.goto("/?state=simulated")
    card = page.get_by_test_id("device-card").first
    card.wait_for()
    device = card.get_attribute("data-device")
    return {
        "fleet": "/",
        "device": f"/devices/{device}",
        "add-device": "/add",
        "add-device-steps": f"/add?device={device}",
        "refused": "/refused",
        "dead-letters": "/dead-letters",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
