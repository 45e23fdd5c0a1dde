"""Chromium: how it is started, how a person signs in, what axe finds."""

import json
import os
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, ViewportSize, expect

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS: dict[int, ViewportSize] = {1440: {"width": 1440, "height": 1000}, 390: {"width": 390, "height": 844}}
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


def sign_in(page: Page, user: str, password: str) -> None:
    """From the sign-in page to the fleet."""
    page.goto("/")
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_test_id("tile-total").wait_for()


def settled(page: Page) -> None:
    """Wait until nothing is loading."""
    page.locator("h1").wait_for()
    expect(page.locator(".loading")).to_have_count(0)  # a function to wait for would break the content security policy


def violations(page: Page) -> list[str]:
    """What axe finds. It comes by the debugger, since the page's content security policy lets no script in."""
    debugger = page.context.new_cdp_session(page)
    debugger.send("Runtime.evaluate", {"expression": AXE.read_text()})
    run = f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then(({{violations}}) => JSON.stringify(violations))"
    answer = debugger.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
    debugger.detach()
    found: list[dict[str, Any]] = json.loads(answer["result"]["value"])
    return [f"{v['id']}: {node['html'][:200]}" for v in found for node in v["nodes"]]


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
