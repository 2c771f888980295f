"""A real Chromium, headless, signed in to Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cityperf.site import browser


@contextmanager
def chromium() -> Iterator[Any]:
    """As `cityperf.site.browser.chromium`; skips, with the reason, where it is not installed."""
    with ExitStack() as stack:
        try:
            page = stack.enter_context(browser.chromium())
        except browser.NoBrowser as lacking:
            pytest.skip(str(lacking))
        yield page


def sign_in(page: Any, url: str, password: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    page.get(url)
    wait = WebDriverWait(page, 60)
    wait.until(lambda p: p.find_elements(By.NAME, "username"))[0].send_keys("admin")
    page.find_element(By.NAME, "password").send_keys(password)
    page.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait.until(lambda p: "login" not in p.current_url)


def shoot(page: Any, path: Path) -> None:
    page.save_screenshot(str(path))
