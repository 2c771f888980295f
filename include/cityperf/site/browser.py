"""A real Chromium, headless: for the screenshots of the site and for its tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from cityperf.errors import CityperfError

WIDTHS: Final = (390, 1280, 1920)  # phone, laptop, wall screen, in CSS pixels


class NoBrowser(CityperfError):
    """Chromium or its driver is not installed."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium through its own driver. Raises NoBrowser."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        raise NoBrowser(
            "expected Chromium and its driver, found none; install the Debian packages chromium and chromium-driver"
        )
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    profile = tempfile.mkdtemp(prefix="chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1400,1000", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield page
    finally:
        page.quit()
        shutil.rmtree(profile, ignore_errors=True)


def look(
    page: Any, address: str, width: int, scheme: Literal["light", "dark"] = "light", script: bool = True
) -> None:
    """Open an address as wide as said, with the reader's choice of colours, with or without JavaScript."""
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    resize(page, width, 1000)
    page.get(address)


def shoot(page: Any, path: str, width: int, most: int = 8_000) -> None:
    """Save the whole page that is open as PNG, at most so many pixels high."""
    height = int(page.execute_script("return document.documentElement.scrollHeight"))
    resize(page, width, min(height, most))
    page.save_screenshot(path)


def resize(page: Any, width: int, height: int) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
