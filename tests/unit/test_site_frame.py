"""The frame of the public site: addresses, keys of pages, the headers, what a style sheet may be made to say."""

from __future__ import annotations

import multiprocessing
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.errors import CityperfError
from cityperf.site import build, measures
from cityperf.site.build import key_of, read_index
from cityperf.site.model import Groups, Page
from cityperf.site.pages.kpis import slug
from cityperf.site.release_files import quoted
from cityperf.site.serve import app
from starlette.testclient import TestClient


@pytest.mark.parametrize("said", ['"}*{display:none}', "\\", "a\nb", "</style>", "été", "*/"])
def test_a_reason_cannot_end_the_string_that_it_stands_in(said: str) -> None:
    inside = quoted(said)[1:-1]
    assert quoted(said)[0] == quoted(said)[-1] == '"'
    assert not set(inside) & set('"\n{}<>*/') and inside.isascii()


def test_a_key_follows_the_data_and_nothing_of_the_release() -> None:
    page = Page("en/kpi/1.html", "kpi", "en", {"value": Decimal("1.0")})
    assert key_of(page, True) == key_of(Page("en/kpi/1.html", "kpi", "en", {"value": Decimal("1.0")}), True)
    assert key_of(page, True) != key_of(Page("en/kpi/1.html", "kpi", "en", {"value": Decimal("1.1")}), True)
    assert key_of(page, True) != key_of(page, False)


def test_an_index_that_cannot_be_read_takes_nothing_over(tmp_path: Path) -> None:
    (tmp_path / "pages.json").write_text('{"pages": {"en/index.html": ["only a key"]}}')
    assert read_index(tmp_path) == {}


@pytest.mark.parametrize("name", ["../1", "a/b", "", ".hidden", "a b"])
def test_an_identifier_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(CityperfError, match="names a"):
        measures.file_name(name)


def test_groups_are_taken_in_order_and_those_nobody_asks_for_are_passed_over() -> None:
    rows = [{"k": "1.02", "v": 1}, {"k": "1.051", "v": 2}, {"k": "1.051", "v": 3}, {"k": "2.01", "v": 4}]
    groups = Groups(iter(rows), "k")
    assert groups.take("1.01") == []
    assert groups.take("1.051") == [{"v": 2}, {"v": 3}]
    assert groups.take("2.01") == [{"v": 4}]
    assert groups.take("9") == []


def test_a_measure_without_a_better_direction_is_never_coloured() -> None:
    card = {"variation": "neutral_high"}
    assert measures.reading(card, "neutral", "up") == ("higher", "")
    assert measures.reading({"variation": "common_cause"}, "favourable", "up") == ("favourable", "")
    assert measures.reading({"variation": "improvement"}, "favourable", "up") == ("favourable", "improvement")
    assert measures.reading({"variation": "concern"}, "favourable", "up") == ("favourable", "")


def test_a_division_is_an_address() -> None:
    assert slug("Children's Services") == "children-s-services"
    assert slug("Équité & Personnes") == "equite-personnes"


def test_every_answer_has_the_strict_policy_and_nothing_outside_the_site_is_served(tmp_path: Path) -> None:
    site, status = tmp_path / "1" / "site", tmp_path / "status"
    for path, text in (
        (site / "en" / "index.html", "page"),
        (status / "1.css", "state"),
        (tmp_path / "secret", "no"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    client = TestClient(app(site, status), follow_redirects=False)
    for address, code in (("/en/index.html", 200), ("/status/1.css", 200), ("/nothing.html", 404)):
        answer = client.get(address)
        assert answer.status_code == code
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/%2e%2e/%2e%2e/secret").status_code == 404
    assert client.get("/", headers={"accept-language": "fr-CA"}).headers["location"] == "/fr/index.html"


def _in_a_daemon(answer: Any) -> None:
    """As in a task of a Celery worker: a forked process that counts as a daemon."""
    from concurrent.futures import ProcessPoolExecutor

    build.allow_children()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        answer.send(pool.submit(os.getpid).result(60))


def test_pages_are_drawn_by_processes_of_a_task_that_counts_as_a_daemon() -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    task = context.Process(target=_in_a_daemon, args=(there,), daemon=True)
    task.start()
    assert here.poll(60), "no process could be started"
    assert here.recv() not in (task.pid, os.getpid())
    task.join(60)
