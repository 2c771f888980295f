"""Digests, tickets and what stands on a failure: the most urgent first, once, and to those whom it concerns."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.notify import causes, dead_man, tickets
from cityperf.notify.alert import RUNBOOK, SECTIONS, TEAM, Alert, Kind
from cityperf.notify.compose import CHAT, QUIET, Digest, as_chat, as_html, as_text, digests
from cityperf.notify.radius import UNKNOWN, Lineage, Radius
from cityperf.quality.known import KnownIssue

NIGHT = date(2026, 11, 20)
SOURCE, MODEL = "source.cityperf.raw.", "model.cityperf."


def alert(kind: Kind = "late", subject: str = "service_requests_311", **more: Any) -> Alert:
    told: dict[str, Any] = {
        "check": "late",
        "message": f"{subject} did not come",
        "owner": "311 Performance",
        "runbook": "docs/runbooks/source.md#late",
    }
    return Alert(kind=kind, subject=subject, **{**told, **more})


def told(*alerts: Alert, profile: str = "live", to: str = TEAM) -> Digest:
    return Digest(profile, NIGHT, to, "Release 3 is up.", alerts, {"pass": 7, "fail": 2})


def node(name: str, *parents: str, schema: str = "kpis", **meta: Any) -> dict[str, Any]:
    return {
        "name": name,
        "resource_type": "model",
        "schema": schema,
        "depends_on": {"nodes": list(parents)},
        "config": {"meta": meta},
    }


@pytest.fixture
def lineage() -> Lineage:
    """requests → open requests (KPI) → kpi_value → its export; risks reach nothing that is published."""
    kpi = {"id": "CS-311-02", "owner": "Customer Experience", "steward": "311 Performance"}
    feed = [{"id": "1.02", "owner": "Economic Development", "steward": "Economic Development"}]
    return Lineage(
        {
            "nodes": {
                f"{MODEL}stg_requests": node("stg_requests", f"{SOURCE}requests", schema="staging"),
                f"{MODEL}open_requests": node("open_requests", f"{MODEL}stg_requests", kpi=kpi),
                f"{MODEL}dashboard_feed": node("dashboard_feed", f"{SOURCE}measures", kpis=feed),
                f"{MODEL}kpi_value": node(
                    "kpi_value", f"{MODEL}open_requests", f"{MODEL}dashboard_feed", schema="publish_next"
                ),
            },
            "sources": {
                f"{SOURCE}{name}": {"source_name": "raw", "name": name}
                for name in ("requests", "measures", "risks")
            },
            "exposures": {
                "exposure.cityperf.values": {
                    "name": "values",
                    "depends_on": {"nodes": [f"{MODEL}kpi_value"]},
                },
                "exposure.cityperf.dashboard": {  # nothing leaves by it
                    "name": "dashboard",
                    "type": "dashboard",
                    "depends_on": {"nodes": [f"{MODEL}kpi_value"]},
                },
            },
        }
    )


# -- what stands on a failure --------------------------------------------------------------------------------
def test_a_data_set_reaches_the_kpis_tables_and_exports_that_are_made_of_it(lineage: Lineage) -> None:
    found = lineage.of_dataset("requests")
    assert found == Radius(("CS-311-02",), ("kpi_value",), ("values",))
    assert (
        found.in_words("kept as they were")
        == "→ 1 KPI (CS-311-02), 1 table (kpi_value), 1 export kept as they were"
    )
    assert lineage.of_dataset("risks").in_words() == "→ nothing published stands on it"


def test_a_table_reaches_its_exports_and_a_stopped_night_reaches_everything(lineage: Lineage) -> None:
    assert lineage.of_model("kpi_value") == Radius((), ("kpi_value",), ("values",))
    assert lineage.everything.in_words("held") == "→ all of 2 KPIs, 1 table, 1 export held"


def test_before_dbt_ever_ran_nobody_claims_that_nothing_stands_on_it() -> None:
    assert Lineage(None).of_dataset("requests") == UNKNOWN
    assert "not known" in UNKNOWN.in_words()


# -- the digest ----------------------------------------------------------------------------------------------
def test_a_digest_begins_with_what_did_not_run_and_ends_with_what_is_known() -> None:
    everything = [alert(kind, message=f"this is {kind}") for kind in reversed(SECTIONS)]
    text = as_text(told(*everything, profile="sample"))
    headings = ["SAMPLE", *(f"\n{heading}\n" for heading, _, _ in SECTIONS.values())]
    assert [text.index(each) for each in headings] == sorted(text.index(each) for each in headings)
    assert list(SECTIONS)[:6] == ["dead_man", "late", "hand_in", "blocked", "quarantined", "restated"]
    assert text.endswith("\n7 passed, 0 warned, 0 known, 2 failed\n")


def test_every_line_says_what_stands_on_it_who_owns_it_and_where_to_read_on(lineage: Lineage) -> None:
    line = alert(radius=lineage.of_dataset("requests"), since=NIGHT - timedelta(days=2))
    about = (
        "→ 1 KPI (CS-311-02), 1 table (kpi_value), 1 export kept as they were · owner: 311 Performance · "
        "since 2026-11-18 · see docs/runbooks/source.md#late"
    )
    assert f"  ✘ service_requests_311 did not come\n    {about}\n" in as_text(told(line))
    assert about in as_html(told(line)) and about in as_chat(told(line))


def test_among_equals_what_reaches_furthest_comes_first(lineage: Lineage) -> None:
    near, far = alert(subject="a"), alert(subject="b", radius=lineage.of_dataset("requests"))
    text = as_text(told(near, far))
    assert text.index("b did not come") < text.index("a did not come")


def test_a_steward_hears_of_own_sources_and_of_what_own_kpis_stand_on(lineage: Lineage) -> None:
    late = alert(subject="measures", owner="Performance Data", radius=lineage.of_dataset("measures"))
    stopped = alert("blocked", subject="night", owner=TEAM, radius=lineage.everything)
    amber = replace(late, kind="known")
    found = digests("live", NIGHT, "", [late, stopped, amber], {}, ["311 Performance"], lineage)
    assert {each.to: list(each.alerts) for each in found} == {
        "Economic Development": [late],
        "Performance Data": [late, amber],
        TEAM: [late, stopped, amber],
    }


@pytest.mark.parametrize(
    ("quiet", "hear"), [(None, [TEAM]), ("team", [TEAM]), ("all", ["311 Performance", TEAM]), ("none", [])]
)
def test_of_a_quiet_day_hears_who_was_configured(
    quiet: str | None, hear: list[str], lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(QUIET, raising=False)
    if quiet:
        monkeypatch.setenv(QUIET, quiet)
    found = digests("live", NIGHT, "Release 3 is up.", [], {"x": {"pass": 4}}, ["311 Performance"], lineage)
    assert [each.to for each in found] == hear
    assert all("Release 3 is up. All is well: " in as_text(each) for each in found)
    assert all(len(as_text(each).splitlines()) == 2 for each in found)


def test_no_text_becomes_markup_a_link_or_a_mention() -> None:
    evil = alert(message="<script>alert(1)</script> & <!channel> <https://x.test|y>")
    assert "<script" not in as_html(told(evil)) and "&lt;script&gt;" in as_html(told(evil))
    assert "<" not in as_chat(told(evil)) and "&lt;!channel&gt;" in as_chat(told(evil))


def test_a_chat_message_is_cut_and_says_how_much_is_left() -> None:
    many = [alert(subject=f"set_{n:03d}", message="x" * 200) for n in range(100)]
    text = as_chat(told(*many))
    shown = text.count("✘")
    assert len(text) < CHAT + 200 and 5 < shown < 100
    assert text.endswith(f"… and {100 - shown} more, in the digest of {TEAM}")


def test_findings_of_one_check_are_one_line() -> None:
    found = [
        causes.Finding(NIGHT, "landing", "required.ward", "requests", "block", "fail", f"row {n} is wrong", "x", "y")
        for n in range(500)
    ]  # fmt: skip
    (rolled,) = causes._of_findings(NIGHT, found, set(), False, Lineage(None))
    text = as_text(told(rolled))
    assert text.count("is wrong") == causes.EXAMPLES
    assert "and 497 more of this check" in text


def test_a_failure_at_the_gate_that_somebody_approved_blocks_no_more() -> None:
    failed = causes.Finding(NIGHT, "publish", "not_empty", "kpi", "block", "fail", "kpi is empty", "x", "y")
    kinds = [
        causes._of_findings(NIGHT, [failed], set(), held, Lineage(None))[0].kind for held in (True, False)
    ]
    assert kinds == ["blocked", "warning"]


def test_a_known_issue_that_expired_is_told_whether_it_still_fails_or_not() -> None:
    issue = KnownIssue(
        "required.*", "requests", "until the new export", "311 Performance", NIGHT - timedelta(days=1)
    )
    still = causes.Finding(NIGHT, "landing", "required.ward", "requests", "block", "fail", "m", "x", "y")
    (fails,) = causes._expired(NIGHT, [issue], [still], Lineage(None))
    (over,) = causes._expired(NIGHT, [issue], [], Lineage(None))
    assert "it still fails and counts again" in fails.message and not fails.mild
    assert "take the entry out" in over.message and over.mild
    assert causes._expired(NIGHT, [replace(issue, expires=NIGHT)], [still], Lineage(None)) == []


# -- tickets -------------------------------------------------------------------------------------------------
def settle(settings: Settings, days: int, *alerts: Alert, complete: bool = True) -> None:
    tickets.settle(settings, NIGHT + timedelta(days=days), alerts, 12 + days, complete=complete)


def content(settings: Settings) -> dict[str, bytes]:
    folder = tickets.folder(settings)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.md"))}


def test_a_failure_opens_one_ticket_that_grows_while_it_lasts_and_closes_when_mended(
    settings: Settings,
) -> None:
    for days in (0, 1, 2):
        settle(settings, days, alert(message=f"late on day {days}"))
    (lasting,) = tickets.listed(settings)
    assert (lasting.opened, lasting.last_seen, lasting.nights) == (NIGHT, NIGHT + timedelta(days=2), 3)
    assert lasting.title == "late on day 0"
    settle(settings, 3)
    assert tickets.listed(settings) == []
    (closed,) = tickets.listed(settings, closed=True)
    assert (closed.closed, closed.release, closed.nights) == (NIGHT + timedelta(days=3), 15, 3)
    assert closed.body.endswith(
        "- 2026-11-20: late on day 0\n- 2026-11-21: late on day 1\n- 2026-11-22: late on day 2\n"
        "- 2026-11-23: mended; release 15 is up\n"
    )


def test_to_run_a_night_again_changes_no_ticket(settings: Settings) -> None:
    settle(settings, 0, alert(), alert(subject="other"))
    settle(settings, 1, alert())
    once = content(settings)
    assert len(once) == 2
    settle(settings, 1, alert())
    assert content(settings) == once


def test_a_cause_that_comes_back_is_a_ticket_of_its_own(settings: Settings) -> None:
    settle(settings, 0, alert())
    settle(settings, 1)
    settle(settings, 2, alert())
    assert [each.opened.day for each in tickets.listed(settings, closed=True)] == [20, 22]
    assert len(tickets.listed(settings)) == 1


def test_a_repeat_of_the_night_that_fails_again_takes_up_the_ticket_it_had_closed(settings: Settings) -> None:
    settle(settings, 0, alert())
    failed = content(settings)
    settle(settings, 0)
    assert list(content(settings)) == [f"closed/{name}" for name in failed]
    settle(settings, 0, alert())
    assert content(settings) == failed


def test_a_run_that_was_killed_between_two_files_is_put_right(settings: Settings) -> None:
    settle(settings, 0, alert())
    (path,) = tickets.folder(settings).glob("*.md")
    opened = path.read_bytes()
    settle(settings, 1)
    done = content(settings)
    path.write_bytes(opened)  # the closed copy was written, the open one not yet taken away
    settle(settings, 1)
    assert content(settings) == done


def test_what_was_not_looked_at_is_not_mended(settings: Settings) -> None:
    settle(settings, 0, alert())
    settle(settings, 1, alert("dead_man", "warehouse"), complete=False)
    assert {each.cause.split(":")[0] for each in tickets.listed(settings)} == {"late", "dead_man"}


def test_what_a_person_wrote_into_a_ticket_stays(settings: Settings) -> None:
    settle(settings, 0, alert())
    (path,) = tickets.folder(settings).glob("*.md")
    path.write_text(path.read_text().replace(tickets.LOG, f"Called them: ☎ on Monday.\n\n{tickets.LOG}"))
    settle(settings, 1, alert())
    settle(settings, 2)
    (closed,) = tickets.listed(settings, closed=True)
    assert "Called them: ☎ on Monday." in closed.body


def test_events_and_hand_ins_open_no_ticket(settings: Settings) -> None:
    settle(
        settings, 0, alert("restated"), alert("hand_in"), alert("warning"), alert("dead_man", passing=True)
    )
    assert tickets.listed(settings) == []


def test_causes_that_look_alike_have_tickets_of_their_own(settings: Settings) -> None:
    settle(
        settings,
        0,
        alert(subject="a-b"),
        alert(subject="a.b"),
        alert(subject="x" * 90),
        alert(subject="x" * 91),
    )
    assert len(tickets.listed(settings)) == 4


# -- the rest ------------------------------------------------------------------------------------------------
def test_every_rhythm_of_a_contract_has_a_length() -> None:
    from typing import get_args

    from cityperf.sources import Schedule

    assert {*dead_man.RHYTHM} == {*get_args(Schedule.model_fields["refresh"].annotation)}


def test_every_section_of_a_runbook_that_an_alert_names_exists() -> None:
    texts = [path.read_text() for path in (ROOT / "include" / "cityperf" / "notify").glob("*.py")]
    named = {found for text in texts for found in re.findall(r"docs/runbooks/[a-z_]+\.md#[a-z-]+", text)}
    named |= {f"{RUNBOOK}#{each}" for text in texts for each in re.findall(r"\{RUNBOOK\}#([a-z-]+)", text)}
    named |= {f"docs/runbooks/source.md#{each}" for each in ("late", "failed", "refused")}
    assert len(named) > 10
    for each in named:
        file, section = each.split("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), flags=re.MULTILINE)
        assert section in {heading.lower().replace(" ", "-") for heading in headings}, each
