"""Whoever was refused is told why, in the page."""

import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from playwright.sync_api import Page, expect

from certs.authority import open_authority
from certs.issue import issue_client, write_client
from device_sdk import Device
from iotsphere.identity import identity
from iotsphere.topics import telemetry
from tests.support.platform import Platform

pytestmark = pytest.mark.e2e
SHOWN_MS = 15_000


def attempt(platform: Platform, files: Path, name: str, act: Callable[[mqtt.Client], Any]) -> None:
    """Connect with the certificate of that name and do something; being refused is what is wanted."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, reconnect_on_failure=False)
    client.tls_set(str(files / "ca.crt"), str(files / f"{name}.crt"), str(files / f"{name}.key"))
    with contextlib.suppress(OSError, ssl.SSLError):
        client.connect(*platform.mqtt)
        client.loop_start()
        act(client)
        client.disconnect()
    client.loop_stop()


def test_the_device_page_tells_what_of_it_was_refused(admin: Page, platform: Platform, certificates: Path, plain: Device) -> None:
    plain.close()  # its id can hold one session only
    foreign = telemetry("somebody-else")
    attempt(platform, certificates, plain.id, lambda c: c.publish(foreign, b'{"values": {}}', 1).wait_for_publish(10))
    admin.goto(f"/devices/{plain.id}")
    expect(admin.get_by_test_id("refusals")).to_contain_text(foreign, timeout=SHOWN_MS)
    expect(admin.get_by_test_id("refusals").get_by_role("row")).to_have_count(2)


def test_an_address_stands_under_from_and_not_under_topic(admin: Page, plain: Device) -> None:
    told = {"id": "r1", "at": "2026-03-01T12:00:00Z", "device": plain.id, "category": "tls", "reason": "expired", "topic": None,
            "peer": "10.0.0.7", "count": 1}  # fmt: skip
    admin.route("**/refusals?limit=100", lambda route: route.fulfill(json={"items": [told]}))
    admin.goto(f"/devices/{plain.id}")
    row = admin.get_by_test_id("refusals").get_by_role("row").nth(1)
    expect(row.locator('[data-label="Topic"]')).to_have_text("–")
    expect(row.locator('[data-label="From"]')).to_have_text("10.0.0.7")


def test_unknown_devices_are_listed_for_the_administrator(admin: Page, platform: Platform, tmp_path: Path) -> None:
    authority = open_authority(platform.home.certs)
    write_client(issue_client(authority, identity("default", "device", "stranger-1")), authority, tmp_path, "stranger-1")
    attempt(platform, tmp_path, "stranger-1", lambda _: time.sleep(1))
    admin.get_by_role("link", name="Refused devices").click()
    expect(admin.get_by_role("row").filter(has_text="stranger-1")).to_be_visible(timeout=SHOWN_MS)
