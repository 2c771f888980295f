"""A person decides: a held candidate waits, a closed period stays closed, nobody approves their own change."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cityperf import night as nights
from cityperf import publish
from cityperf.cli import cli
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import approval, periods
from cityperf.publish.approvers import NotAllowed, may, read_approvers
from cityperf.quality.results import record
from click.testing import CliRunner

from tests.integration.candidate import build_candidate, write_manifest
from tests.integration.test_release import failed_check
from tests.integration.trust import approvers_are, figure, night, put_up

Query = Callable[..., list[tuple[Any, ...]]]
JAN, DEC = date(2024, 1, 1), date(2023, 12, 1)
FIRST = (
    figure("1.02", DEC, "4"),
    figure("1.02", JAN, "5"),
    figure("2.05", DEC, "100"),
    figure("2.05", JAN, "110"),
)
REVISED = (*FIRST[:2], figure("2.05", DEC, "100", latest=False), figure("2.05", DEC, "90", 1), FIRST[3])
CHECK = "kpi: expected each kpi_id once, found 2 rows"


@pytest.fixture
def home(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    write_manifest(clean_warehouse)
    approvers_are(monkeypatch, tmp_path)
    put_up(clean_warehouse, kpi_value=list(FIRST))
    yield clean_warehouse


@pytest.fixture
def held(home: Settings) -> Settings:
    """Release 2 is held by a blocking check of the second night."""
    with connect(home, "publisher") as connection:
        record(connection, night(1), [failed_check()])
    outcome = put_up(home, 1, marker=1, kpi_value=list(REVISED))
    assert outcome.status == "held"
    assert "./cityperf release approve 2 --by NAME" in outcome.reason
    return home


def up(query: Query) -> Any:
    return query("select max(number) from publish.release")[0][0]


# -- who may -------------------------------------------------------------------------------------------------
def test_the_registered_approvers_are_sound_and_each_scope_has_two_people() -> None:
    people = read_approvers()
    for scope in ("release", "restatement", "rollback", "period"):
        assert sum(scope in each.scopes for each in people) >= 2, scope
    assert [each for each in people if each.airflow == "admin"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{id: a.b, name: A}]", "a mistake in email"),
        ("[{id: a.b, name: A, email: a@b, role: R, scopes: [everything]}]", r"a mistake in scopes\.0"),
        ("[{id: a.b, name: A, email: a@b, role: R, scopes: [release]}]\n" * 1, None),
        (
            "[{id: a.b, name: A, email: a@b, role: R, scopes: [release]}, "
            "{id: a.b, name: B, email: b@b, role: R, scopes: [release]}]",
            "each id once, found a.b more often",
        ),
    ],
)
def test_a_mistake_in_the_file_of_approvers_is_named(tmp_path: Path, text: str, told: str | None) -> None:
    path = tmp_path / "approvers.yml"
    path.write_text(text)
    if told is None:
        assert may("a.b", "release", people=read_approvers(path)).name == "A"
        return
    with pytest.raises(CityperfError, match=told):
        read_approvers(path)


# -- a held candidate ----------------------------------------------------------------------------------------
def test_an_approved_candidate_is_published_and_the_decision_is_kept(held: Settings, query: Query) -> None:
    assert up(query) == 1
    assert approval.answer(
        held, 2, "anna", "approved", "the check is wrong: two names, one KPI", night(2)
    ) == ("release 2 is up")
    assert up(query) == 2
    assert query("select night, published_on from ops.release where number = 2") == [(night(1), night(2))]
    assert query("select subject, decision, decided_by, decided_on, note, what from ops.approval") == [
        ("release 2", "approved", "anna", night(2), "the check is wrong: two names, one KPI", CHECK)
    ]
    assert query("select stale_reason from ops.release where stale_reason is not null") == []
    assert approval.answer(held, 2, "ben", "rejected", "no", night(2)) == (
        "release 2 was approved already and is published"
    )
    # The night repeated finds nothing new; the same check fails, and nothing is held.
    assert publish.release(held, night(1)).status == "unchanged"


@pytest.mark.fault
@pytest.mark.parametrize("decision", ["rejected", "timed_out"])
def test_no_and_no_answer_leave_the_last_good_release_marked_stale(
    held: Settings, query: Query, decision: approval.Decision
) -> None:
    by = "anna" if decision == "rejected" else None
    approval.answer(held, 2, by, decision, "two ridership figures cannot both be right", night(1))
    assert up(query) == 1
    [(reason,)] = query("select stale_reason from publish.release")
    assert ("rejected by anna: two ridership" if by else "nobody approved it in time") in str(reason)
    assert query("select decision, decided_by from ops.approval") == [(decision, by or "nobody")]
    # What a person refused does not go up by itself when its check passes a night later.
    with connect(held, "publisher") as connection:
        connection.execute("delete from ops.check_result")
    again = publish.release(held, night(2))
    if decision == "rejected":
        assert again.status == "held" and "anna rejected it" in again.reason
        with pytest.raises(approval.NothingAsked, match="found it rejected"):
            approval.answer(held, 2, "ben", "approved", "why not", night(2))
    else:
        assert again.status == "released"


def test_a_newer_candidate_supersedes_the_one_that_waits(held: Settings, query: Query) -> None:
    number = publish.open_candidate(held, night(2))
    assert query("select number, state from ops.approval_request") == [(2, "superseded")]
    build_candidate(held, number, night=night(2), marker=5)
    with pytest.raises(approval.NothingAsked, match="found it superseded"):
        approval.answer(held, 2, "anna", "approved", "yes", night(2))
    assert publish.release(held, night(2)).status == "released"
    assert up(query) == 3


def test_tables_that_are_no_longer_those_that_were_held_are_not_published(
    held: Settings, query: Query
) -> None:
    with connect(held, "transformer") as connection:
        connection.execute("update publish_next.kpi_value set value = 1 where kpi_id = '2.05'")
    with pytest.raises(approval.NothingAsked, match="a newer candidate has superseded it"):
        approval.answer(held, 2, "anna", "approved", "yes", night(2))
    assert up(query) == 1
    assert query("select state from ops.approval_request") == [("superseded",)]


def test_an_approval_that_was_cut_short_goes_on(
    held: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["cityperf.publish.release"], "swap", cut)
        with pytest.raises(KeyboardInterrupt):
            approval.answer(held, 2, "anna", "approved", "yes", night(2))
    assert up(query) == 1
    assert approval.answer(held, 2, "anna", "approved", "yes", night(2)) == "release 2 is up"
    assert query("select count(*) from ops.approval") == [(1,)]


@pytest.mark.fault
def test_nobody_without_the_scope_decides_and_nobody_on_their_own_known_issue(
    held: Settings, query: Query
) -> None:
    for by, told in (("cara", "whose scopes are rollback"), ("mallory", "who is not in the register")):
        with pytest.raises(NotAllowed, match=told):
            approval.answer(held, 2, by, "approved", "yes", night(1))
    with connect(held, "publisher") as connection:
        connection.execute(
            "insert into ops.known_issue values ('key_*', 'kpi', 'two names', 'Anna Roy', %s)", (night(0),)
        )
        assert approval.authors_of(connection, 2, night(1)) == ["Anna Roy"]
    publish.release(held, night(1))
    assert [each.id for each in approval.able(held, 2)] == ["ben"]
    with pytest.raises(NotAllowed, match=r"somebody else than Anna Roy, whose own change this is.*ask ben"):
        approval.answer(held, 2, "anna", "approved", "yes", night(1))
    assert approval.answer(held, 2, "ben", "approved", "yes", night(1)) == "release 2 is up"


def test_the_gate_asks_and_closes_and_lets_through_what_was_approved(
    home: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityperf.errors import GateClosed
    from cityperf.quality.results import Gate

    monkeypatch.setattr("cityperf.quality.check_publish", lambda *_: Gate(False, [failed_check()]))
    build_candidate(home, publish.open_candidate(home, night(1)), night=night(1), marker=1)
    with pytest.raises(
        GateClosed, match="release held, the last good one stays up: kpi: expected each kpi_id once"
    ):
        nights.gate(home, night(1))
    assert nights.waiting_for_approval(home, night(1)) == 2
    assert nights.waiting_for_approval(home, night(0)) is None
    assert approval.answer(home, 2, "anna", "approved", "yes", night(1)) == "release 2 is up"
    assert nights.waiting_for_approval(home, night(1)) is None
    # Repeated before the swap was done, the night would pass its gate: the approval is for this content.
    query("update ops.release set state = 'held' where number = 2")
    query("alter schema publish_next rename to spare")
    query("alter schema publish rename to publish_next")
    nights.gate(home, night(1))
    query("drop schema publish_next cascade")
    query("alter schema spare rename to publish_next")
    query("create schema publish authorization publisher")
    query("grant usage on schema publish to bi_reader, transformer")


# -- the page ------------------------------------------------------------------------------------------------
class Outline(HTMLParser):
    """What a page has of tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_what_would_change_to_everybody(held: Settings, query: Query) -> None:
    [(path,)] = query("select page from ops.approval_request")
    assert Path(str(path)).parent == held.base / "approvals"
    page = Outline(Path(str(path)).read_text())
    assert "SAMPLE - invented figures" in page.text and "each kpi_id once" in page.text
    assert "2.05" in page.text and "-10" in page.text  # 100 became 90
    assert "Ridership" not in page.text or "Unemployment rate 1" in page.text
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and "main" in tags and "script" not in tags
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert tags.count("caption") == tags.count("table")
    assert not any("src" in attrs or attrs.get("href", "").startswith("http") for _, attrs in page.tags)
    asked = approval.question(held, 2)
    assert str(path) in asked["body"] and "/warehouse/approvals/2" in asked["body"]


def test_a_candidate_that_cannot_be_compared_is_held_all_the_same(home: Settings, query: Query) -> None:
    number = publish.open_candidate(home, night(1))
    build_candidate(home, number, night=night(1), change={"kpi_value": []})
    with connect(home, "transformer") as connection:
        connection.execute("alter table publish_next.kpi_value drop column value")
        connection.execute("drop table publish_next.kpi")
    assert publish.hold(home, night(1), "the gate is closed").status == "held"
    assert query("select state from ops.approval_request") == [("waiting",)]


# -- closed periods ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "grain", "end"),
    [
        ("2026-09", "month", date(2026, 9, 30)),
        ("2024-02", "month", date(2024, 2, 29)),
        ("2026-Q3", "quarter", date(2026, 9, 30)),
        ("2026-q4", "quarter", date(2026, 12, 31)),
        ("2026", "year", date(2026, 12, 31)),
    ],
)
def test_a_period_is_a_calendar_month_quarter_or_year(text: str, grain: str, end: date) -> None:
    found = periods.period_of(text)
    assert (found.grain, found.end, str(found)) == (grain, end, text.upper())


def test_the_last_day_of_a_period_is_the_same_in_sql(home: Settings, query: Query) -> None:
    for text in ("2024-02", "2026-Q3", "2026"):
        found = periods.period_of(text)
        assert query("select ops.period_end(%s, %s)", (found.grain, found.start)) == [(found.end,)]


@pytest.mark.parametrize("text", ["2026-13", "2026-Q5", "last month", "2026-9"])
def test_a_text_that_names_no_period_is_refused(text: str) -> None:
    with pytest.raises(periods.NotAPeriod, match="expected a month, quarter or year"):
        periods.period_of(text)


def closed(home: Settings, text: str = "2023-12") -> None:
    periods.close(home, periods.period_of(text), "anna", night(0), "reported to Council")


@pytest.mark.fault
def test_a_closed_period_changes_only_when_somebody_approved_it(home: Settings, query: Query) -> None:
    closed(home)
    outcome = put_up(home, 1, kpi_value=list(REVISED))
    assert outcome.status == "held"
    assert "it changes closed periods, and nobody approved that: 2.05 in 2023-12 (1 figure)" in outcome.reason
    assert "./cityperf release approve 2 --by NAME --reason TEXT" in outcome.reason
    assert query("select value from publish.kpi_value where kpi_id = '2.05' order by 1") == [(100,), (110,)]
    assert (
        approval.answer(home, 2, "ben", "approved", "TTC found a counting error", night(1))
        == "release 2 is up"
    )
    assert query("select kpi_id, cause, size, size_percent from ops.restatement") == [
        ("2.05", "revision", -10, -10)
    ]


def test_an_open_period_beside_a_closed_one_changes_freely(home: Settings) -> None:
    closed(home)
    rows = [*FIRST[:3], figure("2.05", JAN, "110", latest=False), figure("2.05", JAN, "111", 1)]
    assert put_up(home, 1, kpi_value=rows).status == "released"


@pytest.mark.parametrize(("closed_period", "grain", "status"), [
    ("2023", "month", "held"),  # a closed year closes its months
    ("2023-Q4", "month", "held"),
    ("2023-12", "year", "released"),  # a closed month does not close the year
    ("2023-Q4", "year", "released"),
])  # fmt: skip
def test_a_longer_closed_period_holds_the_shorter_ones_within(
    home: Settings, closed_period: str, grain: str, status: str
) -> None:
    start = DEC if grain == "month" else date(2023, 1, 1)
    more = {"period_grain": grain}
    put_up(
        home, 1, kpi_value=[*FIRST[:2], figure("2.05", start, "7", **more), figure("2.05", JAN, "8", **more)]
    )
    closed(home, closed_period)
    rows = [*FIRST[:2], figure("2.05", start, "6", **more), figure("2.05", JAN, "8", **more)]
    assert put_up(home, 2, kpi_value=rows).status == status


def test_an_announced_restatement_that_somebody_else_approved_passes_once_with_its_cause_and_note(
    home: Settings, query: Query
) -> None:
    closed(home)
    asked = periods.request(
        home, periods.period_of("2023"), "2.05", "correction", "garage closed on the 24th", "ben", night(1)
    )
    with pytest.raises(NotAllowed, match="nobody approves their own"):
        approval.answer_restatement(home, asked, "ben", "approved", None, night(1))
    assert "approved" in approval.answer_restatement(home, asked, "anna", "approved", None, night(1))
    outcome = put_up(home, 1, kpi_value=list(REVISED))
    assert (outcome.status, outcome.restated) == ("released", 1)
    assert query("select cause, note, request_id from ops.restatement where number = 2") == [
        ("correction", "garage closed on the 24th", asked)
    ]
    again = [*REVISED[:3], figure("2.05", DEC, "90", 1, latest=False), figure("2.05", DEC, "80", 2), FIRST[3]]
    assert put_up(home, 2, kpi_value=again).status == "held"


def test_who_announced_a_restatement_does_not_approve_the_release_that_brings_it(home: Settings) -> None:
    asked = periods.request(home, periods.period_of("2023"), "2.05", "correction", "typo", "anna", night(1))
    approval.answer_restatement(home, asked, "ben", "approved", None, night(1))
    with connect(home, "publisher") as connection:
        record(connection, night(1), [failed_check()])
    assert put_up(home, 1, kpi_value=list(REVISED)).status == "held"
    with pytest.raises(NotAllowed, match="nobody approves their own"):
        approval.answer(home, 2, "anna", "approved", "yes", night(1))


def test_a_period_is_reopened_by_somebody_else_than_who_closed_it(home: Settings, query: Query) -> None:
    closed(home)
    with pytest.raises(NotAllowed, match="somebody else than Anna Roy"):
        periods.reopen(home, periods.period_of("2023-12"), "anna", night(1), "late figures")
    periods.reopen(home, periods.period_of("2023-12"), "ben", night(1), "late figures")
    assert put_up(home, 1, kpi_value=list(REVISED)).status == "released"
    assert query("select what, decided_by from ops.approval order by 1") == [
        ("closed", "anna"),
        ("reopened", "ben"),
    ]
    with pytest.raises(periods.NotAPeriod, match="which is open"):
        periods.reopen(home, periods.period_of("2023-12"), "ben", night(1), "again")


def test_a_period_that_is_not_over_cannot_be_closed(home: Settings) -> None:
    with pytest.raises(periods.NotAPeriod, match="found 2024-03, which ends on 2024-03-31"):
        closed(home, "2024-03")
    with pytest.raises(NotAllowed):
        periods.close(home, periods.period_of("2023-12"), "cara", night())


def test_decisions_in_a_terminal(held: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: held))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, list(arguments))

    assert "waits for an approval: kpi: expected each kpi_id once" in run("release", "list").output
    differs = json.loads(run("release", "diff", "--json").output)
    assert (differs["before"], differs["after"]) == ("release 1, which is up", "release 2, which is held")
    assert [(each["kpi_id"], each["changed"]) for each in differs["figures"]] == [("2.05", 1)]
    assert "name two releases" in run("release", "diff", "1").output
    assert run("period", "close", "2023-11", "--by", "anna").output.startswith("2023-11 is closed, by anna")
    announce = ("period", "restate", "2023-11", "--kpi", "2.05", "--note", "typo", "--by", "anna")
    assert "restatement 2 is announced" in run(*announce).output
    assert "approved" in run("period", "approve", "2", "--by", "ben").output
    listed = json.loads(run("period", "list", "--json").output)
    assert [each["period"] for each in listed["periods"]] == ["2023-11"]
    assert [each["state"] for each in listed["restatements"]] == ["approved"]
    assert "2023-11" in run("period", "list").output
    assert "found '9.99'" in str(
        run("period", "restate", "2023-11", "--kpi", "9.99", "--note", "x", "--by", "a").exception
    )
    assert run("release", "approve", "2", "--by", "anna", "--reason", "fine").output == "release 2 is up\n"
    shown = run("release", "show", "2").output
    assert "approved by anna on" in shown and "2.05        revision" in shown
    assert "nothing" not in json.loads(run("release", "show", "2", "--json").output)["decisions"]
