"""The dashboard of a home as a reader sees it: in a real Chromium, over HTTP, the release that is up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cityperf.site import browser
from cityperf.site.screenshots import served

from tests.browser.pages import chromium
from tests.e2e.conftest import Home


@dataclass(frozen=True)
class Dashboard:
    """An open browser and where the site is served."""

    page: Any
    address: str

    def text(self, path: str) -> str:
        """What the main part of a page says, as it is shown."""
        browser.look(self.page, f"{self.address}/{path}", 1280)
        return str(self.page.find_element("tag name", "main").text)

    def rows(self, path: str, table: str) -> list[list[str]]:
        """The cells of the table in the section that is named so."""
        browser.look(self.page, f"{self.address}/{path}", 1280)
        found: list[list[str]] = self.page.execute_script(
            'return [...document.querySelectorAll(`section[aria-labelledby="${arguments[0]}"] tbody tr`)]'
            ".map(row => [...row.cells].map(cell => cell.innerText))",
            table,
        )
        return found

    def notices(self, path: str = "en/index.html") -> dict[str, str]:
        """Kind → reason of the notices that are shown above a page, but for the sample's."""
        browser.look(self.page, f"{self.address}/{path}", 1280)
        found: dict[str, str] = self.page.execute_script(
            "const shown = [...document.querySelectorAll('.notice:not(.sample)')]"
            ".filter(each => each.checkVisibility());"
            "return Object.fromEntries(shown.map(each => [each.classList[1],"
            "getComputedStyle(each.querySelector('span'), '::before').content]))"
        )
        return found

    def as_of(self, name: str) -> str:
        """A value of the as-of strip on the first page: number, night, late, restated."""
        browser.look(self.page, f"{self.address}/en/index.html", 1280)
        said: str = self.page.execute_script(
            "return getComputedStyle(document.querySelector(`.strip .of-${arguments[0]}`), '::before').content",
            name,
        )
        return said.strip('"')


@contextmanager
def dashboard(home: Home) -> Iterator[Dashboard]:
    """The site of the release that is up now."""
    releases = home.base / "releases"
    with served(releases / "current" / "site", releases / "status") as address, chromium() as page:
        yield Dashboard(page, address)
