"""Every page, light and dark, wide and narrow: nothing for axe to find, nothing cut off, nothing from elsewhere."""

import os
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from tests.support.browser import AXE, THEMES, WIDTHS, Theme, settled, sideways, sign_in, violations
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
FIRST_LOAD_BYTES = 80 * 1024


@pytest.fixture
def pages(demo: str) -> dict[str, str]:
    """Page titles by path."""
    return {
        "/": "Fleet",
        f"/devices/{demo}": demo,
        "/add": "Add device",
        f"/add?device={demo}": "Add device",
        "/refused": "Refused devices",
        "/dead-letters": "Dead letters",
        "/no/such/page": "Not found",
    }


@pytest.mark.skipif(not AXE.exists() and os.environ.get("REQUIRE_BROWSER") != "1", reason="no axe: run npm ci in dashboard/")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_pages_are_accessible_and_fit(page: Page, platform: Platform, pages: dict[str, str], theme: Theme, width: int) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(WIDTHS[width])
    page.goto("/")
    page.get_by_role("button", name="Sign in").wait_for()
    found = {"sign-in": (violations(page), sideways(page))}
    sign_in(page, "admin", platform.admin_password)
    for path, title in pages.items():
        page.goto(path)
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        settled(page)
        found[path] = (violations(page), sideways(page))
    assert found == dict.fromkeys(found, ([], 0))


def test_nothing_is_asked_of_anybody_else(page: Page, platform: Platform, pages: dict[str, str]) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: asked.add(urlsplit(socket.url).netloc))
    sign_in(page, "admin", platform.admin_password)
    for path in pages:
        page.goto(path)
        settled(page)
    assert asked - {""} == {urlsplit(platform.http).netloc}  # "" are downloads made in the page


def test_a_strict_content_security_policy_holds(page: Page, platform: Platform, pages: dict[str, str]) -> None:
    page.add_init_script("addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective))")
    answer = page.goto("/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    sign_in(page, "admin", platform.admin_password)
    for path in pages:
        page.goto(path)
        settled(page)  # the fixture fails on anything that the console says


def test_the_first_load_is_small(page: Page, platform: Platform) -> None:
    answers: list[Response] = []
    page.on("response", lambda response: answers.append(response) if "/api/" not in response.url else None)
    sign_in(page, "admin", platform.admin_password)
    settled(page)
    sizes = {urlsplit(a.url).path: a.request.sizes()["responseBodySize"] for a in answers if a.url.startswith("http")}
    assert sizes["/"] > 0
    assert sum(sizes.values()) <= FIRST_LOAD_BYTES, sizes


def test_a_chosen_theme_stays(admin: Page) -> None:
    root = admin.locator("html")
    admin.get_by_test_id("theme").click()
    expect(root).to_have_attribute("data-theme", "light")
    admin.get_by_test_id("theme").click()
    admin.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    expect(admin.get_by_test_id("tile-total")).to_be_visible()  # and a reload does not sign out


def test_a_viewer_is_offered_no_changes(page: Page, platform: Platform, pages: dict[str, str], demo: str) -> None:
    platform.installation.must("user", "add", "viewer", "--role", "viewer", "--org", "demo", stdin="only-looks-1\n")
    sign_in(page, "viewer", "only-looks-1")
    for path in pages:
        page.goto(path)
        settled(page)
        expect(page.locator("main form")).to_have_count(0)
    page.goto(f"/devices/{demo}")
    expect(page.get_by_test_id("certificates")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
    expect(page.get_by_role("button", name="Retire")).to_have_count(0)


def test_signed_out_shows_nothing(admin: Page, demo: str) -> None:
    admin.get_by_role("button", name="Sign out").click()
    expect(admin.get_by_role("button", name="Sign in")).to_be_visible()
    admin.goto(f"/devices/{demo}")
    expect(admin.get_by_role("button", name="Sign in")).to_be_visible()
    expect(admin.get_by_text(demo)).to_have_count(0)


@pytest.mark.usefixtures("failing_requests")
def test_a_device_that_is_not_there_leads_back_to_the_fleet(admin: Page) -> None:
    admin.goto("/devices/nope")
    expect(admin.get_by_text("there is no device nope")).to_be_visible()
    expect(admin.get_by_role("button", name="Try again")).to_have_count(0)
    admin.get_by_role("link", name="Show all devices").click()
    expect(admin.get_by_role("heading", name="Fleet")).to_be_visible()
