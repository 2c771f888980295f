"""The script of the public pages in a real Chromium: a list's state has an address, a chart's point has its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import ROOT
from cityperf.site.build import write_static
from cityperf.site.charts import maps
from cityperf.site.model import Page
from cityperf.site.render import render

from tests.browser.accessibility import violations
from tests.browser.pages import chromium


def _place(number: int) -> dict[str, Any]:
    designation = "improvement_area" if number % 3 == 0 else "none"
    return {
        "geography_type": "neighbourhood_158", "geography_code": f"{number:03d}", "designation": designation,
        "geography_name": "Île Creek" if number == 6 else f"Place {number}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_static(folder)
    for lang in ("en", "fr"):
        data = {"places": [_place(number) for number in range(1, 13)], "cuts": [], "shapes": {}}
        drawn = render(Page(f"{lang}/neighbourhoods.html", "places", lang, data), 1, True).decode()
        chart = maps.Map((maps.Area("01", "Ward one", 5.0),), (), "number", 0)
        drawn = drawn.replace("</main>", str(maps.tiles(chart, lang, "a", "Map", "Description")) + "</main>")
        (folder / lang).mkdir()
        (folder / lang / "neighbourhoods.html").write_text(drawn, "utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as page:
        yield page


def _shown(browser: Any) -> int:
    return sum(item.is_displayed() for item in browser.find_elements("css selector", "[data-find] > li"))


def test_what_is_found_has_an_address_that_gives_it_again(site: Path, browser: Any) -> None:
    page = (site / "en" / "neighbourhoods.html").as_uri()
    browser.get(page)
    assert _shown(browser) == 12
    browser.find_element("id", "find").send_keys("ile")  # without its accent
    assert _shown(browser) == 1
    assert browser.current_url.endswith("?find=ile")
    browser.get(browser.current_url)
    assert _shown(browser) == 1
    assert (
        browser.find_element("css selector", "a.other")
        .get_attribute("href")
        .endswith("fr/neighbourhoods.html?find=ile")
    )
    browser.get(f"{page}?designation=improvement_area&find=no+such+place")
    assert _shown(browser) == 0
    assert re.match("0 ", browser.find_element("css selector", ".find [role=status]").text)
    browser.get(f"{page}?designation=improvement_area")
    assert _shown(browser) == 4
    browser.get(f"{page}?designation=unknown")
    assert _shown(browser) == 12


def test_a_point_says_its_words_at_once_and_escape_hides_them(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    browser.get((site / "en" / "neighbourhoods.html").as_uri())
    mark = next(each for each in browser.find_elements("css selector", ".chart .hit") if each.is_displayed())
    # The page has come to rest, as scrolling hides the words.
    browser.execute_async_script(
        "arguments[0].scrollIntoView({block: 'center'}); const done = arguments[1];"
        "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))",
        mark,
    )
    ActionChains(browser).move_to_element(mark).perform()
    assert browser.find_element("css selector", ".tip").text == "Ward one: 5"
    ActionChains(browser).send_keys("\ue00c").perform()
    assert not browser.find_element("css selector", ".tip").is_displayed()


@pytest.mark.parametrize("width", [358, 1280])
def test_one_drawing_shows_and_its_letters_are_twelve_pixels_or_more(
    site: Path, browser: Any, width: int
) -> None:
    browser.set_window_size(width, 900)
    browser.get((site / "fr" / "neighbourhoods.html").as_uri())
    shown = [
        each for each in browser.find_elements("css selector", ".chart svg.drawing") if each.is_displayed()
    ]
    assert len(shown) == 1
    least = browser.execute_script(
        "const svg = arguments[0], scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;"
        "return Math.min(...[...svg.querySelectorAll('text')].map(t => parseFloat(getComputedStyle(t).fontSize) * scale))",
        shown[0],
    )
    assert least >= 12


def test_the_script_is_small_and_calls_nobody() -> None:
    script = (ROOT / "include" / "site" / "static" / "site.js").read_text("utf-8")
    assert len(script.encode()) <= 10_000
    assert not re.search(
        r"fetch|XMLHttpRequest|import\s|sendBeacon|WebSocket|https?:|localStorage|cookie|innerHTML", script
    )


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_a_page_of_places(site: Path, browser: Any, lang: str, width: int) -> None:
    browser.set_window_size(width, 900)
    browser.get((site / lang / "neighbourhoods.html").as_uri())
    assert violations(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
