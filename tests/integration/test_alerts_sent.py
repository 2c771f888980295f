"""From what stands in `ops` to what people get: by real SMTP and HTTP, each thing once, also when nothing ran at all."""

from __future__ import annotations

import email
import email.policy
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from cityperf import notify, publish
from cityperf.cli import main
from cityperf.config import TORONTO, Settings
from cityperf.db import connect
from cityperf.errors import NightFailed
from cityperf.night import close_night
from cityperf.notify import dead_man, tickets
from cityperf.notify.alert import TEAM, Alert
from cityperf.notify.radius import read_lineage
from cityperf.quality import check_publish
from cityperf.quality.landing import landing_rules
from cityperf.sources import load_contracts

from tests.integration.candidate import build_candidate, manifest
from tests.integration.servers import ChatServer, MailServer, running

NIGHT = date(2026, 11, 20)
MORNING = datetime(2026, 11, 20, 6, 20, tzinfo=TORONTO)
LATE, REFUSED = "service_requests_311", "dashboard_measures"


@pytest.fixture
def live(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A live profile, whose nights follow the clock, with a migrated and empty database of its own."""
    place = replace(clean_warehouse, profile="live")
    monkeypatch.delenv("CITYPERF_SCHEDULE", raising=False)
    for name in ("CITYPERF_SMTP", "CITYPERF_QUIET_DAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cityperf.handin.chase.expected", lambda *_: [])
    place.run.mkdir(parents=True, exist_ok=True)
    (place.run / "ports.json").write_text(json.dumps(clean_warehouse.ports()))
    with psycopg.connect(clean_warehouse.dsn("admin", "postgres"), autocommit=True) as admin:
        admin.execute("drop database if exists warehouse_live with (force)")
        admin.execute("create database warehouse_live template warehouse_sample")
        yield place
        admin.execute("drop database warehouse_live with (force)")
    shutil.rmtree(place.base)


@pytest.fixture
def mail(live: Settings) -> Iterator[MailServer]:
    with running(MailServer()) as server:
        (live.base / "smtp.url").write_text(f"{server.url}\n")
        names = {TEAM: "team@city.test", "311 Performance": "cx@city.test"}
        (live.base / "addresses.json").write_text(json.dumps(names))
        yield server


@pytest.fixture
def chat(live: Settings) -> Iterator[ChatServer]:
    with running(ChatServer()) as server:
        (live.base / "webhooks.json").write_text(json.dumps({TEAM: server.url}))
        yield server


def write_manifest(settings: Settings) -> None:
    """The small manifest, with the 311 requests behind kpi_value as well, and the schemas that dbt writes."""
    content = manifest()
    for node in content["nodes"].values():
        node["schema"] = "publish_next"
    content["sources"][f"source.cityperf.raw.{LATE}"] = {"source_name": "raw", "name": LATE}
    content["nodes"]["model.cityperf.kpi_value"]["depends_on"]["nodes"].append(f"source.cityperf.raw.{LATE}")
    path = settings.base / "dbt" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def put_night(settings: Settings, night: date = NIGHT, state: str = "unchanged", **visits: str) -> None:
    """A night that ended: every data set was visited (`unchanged`, or as said) and judged fresh, and dbt ran."""
    with connect(settings, "loader") as db:
        db.execute("delete from ops.fetch where night = %s", (night,))
        db.execute("delete from ops.check_result where night = %s", (night,))
        db.execute(
            "insert into ops.night (night, state, closed_at, note) values (%s, %s, now(), %s) on conflict (night) "
            "do update set state = excluded.state, note = excluded.note",
            (night, state, "dbt: a model broke" if state == "failed" else None),
        )
        for dataset in load_contracts():
            said = visits.get(dataset, "unchanged")
            db.execute(
                "insert into ops.fetch (night, dataset, state, message) values (%s, %s, %s, %s)",
                (night, dataset, said, None if said == "unchanged" else f"expected a file, it was {said}"),
            )
            db.execute(
                "insert into ops.check_result (night, border, suite, check_name, subject, severity, status, expected, "
                "found, message, owner, runbook) values (%s, 'freshness', 'freshness', 'delivered_in_time', %s, 'warn', "
                "'pass', '', '', '', 'x', 'docs/runbooks/freshness.md#late-source')",
                (night, dataset),
            )
        db.execute(
            "insert into ops.model_run (night, model, state) values (%s, '*', 'success') on conflict do nothing",
            (night,),
        )


def letters(server: MailServer, to: str | None = None) -> list[email.message.EmailMessage]:
    read = [email.message_from_bytes(each, policy=email.policy.default) for each in server.got]
    return [each for each in read if to in (None, each["To"])]  # type: ignore[misc]


def body(letter: email.message.EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def open_tickets(settings: Settings) -> list[str]:
    return sorted(each.cause for each in tickets.listed(settings))


def silent(settings: Settings, night: date = NIGHT, now: datetime = MORNING) -> list[Alert]:
    return [each for each in notify.look(settings, night, now).alerts if each.kind == "dead_man"]


# -- digests -------------------------------------------------------------------------------------------------
def test_each_steward_gets_one_mail_and_the_team_a_message_and_a_repeat_sends_nothing(
    live: Settings, mail: MailServer, chat: ChatServer
) -> None:
    write_manifest(live)
    put_night(live, **{LATE: "late", REFUSED: "refused"})
    notify.tell(live, NIGHT, MORNING)
    (team,), (steward,) = letters(mail, "team@city.test"), letters(mail, "cx@city.test")
    assert team["Subject"] == "Warehouse, night of 2026-11-20: 2 to look after"
    text = body(team)
    assert text.index(f"Late\n  ✘ {LATE} did not come") < text.index(
        f"Quarantined\n  ✘ {REFUSED} was refused"
    )
    assert "→ 1 table (kpi_value), 1 export kept as they were · owner: 311 Performance" in text
    assert "<h2>Late</h2>" in body(team, "html")
    theirs = body(steward)
    assert LATE in theirs and REFUSED not in theirs
    (message,) = chat.got
    assert list(message) == ["text"] and f"✘ {LATE} did not come" in message["text"]
    put_night(live, **{LATE: "late"})  # a repeat of the night that mended one of the two
    notify.tell(live, NIGHT, MORNING)
    assert (len(mail.got), len(chat.got)) == (2, 1)
    written = live.base / "digests" / NIGHT.isoformat() / "performance-office.txt"
    assert REFUSED not in written.read_text()


def test_a_quiet_night_tells_the_team_in_two_lines_and_nobody_else(live: Settings, mail: MailServer) -> None:
    put_night(live)
    assert notify.tell(live, NIGHT, MORNING).alerts == []
    (only,) = letters(mail)
    assert only["To"] == "team@city.test"
    assert only["Subject"] == "Warehouse, night of 2026-11-20: all is well"
    assert len(body(only).splitlines()) == 2


def test_what_could_not_be_sent_is_tried_again_and_no_secret_is_written_down(
    live: Settings, mail: MailServer, chat: ChatServer
) -> None:
    put_night(live)
    chat.status = 503
    notify.tell(live, NIGHT, MORNING)
    (unsent,) = (live.base / "digests" / NIGHT.isoformat() / "chat").iterdir()
    assert "127.0.0.1 answered with status 503" in unsent.read_text()
    assert "secret-token" not in unsent.read_text()
    chat.status = 200
    notify.check(live, MORNING)
    assert (len(mail.got), len(chat.got)) == (1, 1)
    assert not unsent.exists()


def test_an_address_book_that_is_no_json_stops_nothing(live: Settings, mail: MailServer) -> None:
    put_night(live)
    (live.base / "addresses.json").write_text("{")
    (live.base / "webhooks.json").write_text("{")
    notify.tell(live, NIGHT, MORNING)
    told = [each.read_text() for each in (live.base / "digests" / NIGHT.isoformat()).rglob("*.unsent.*")]
    assert len(told) == 2 and mail.got == []
    assert any("expected JSON with an address for each name in addresses.json" in each for each in told)


# -- pages ---------------------------------------------------------------------------------------------------
def test_a_failed_night_pages_once_and_its_ticket_closes_with_the_night_that_is_well(
    live: Settings, mail: MailServer, chat: ChatServer
) -> None:
    with connect(live, "loader") as db:
        db.execute("insert into ops.night (night) values (%s)", (NIGHT,))
    for _ in range(2):
        with pytest.raises(NightFailed, match="the night ended before dbt did"):
            close_night(live, NIGHT)
    pages = [each for each in letters(mail) if "PAGE" in each["Subject"]]
    assert [each["Subject"] for each in pages] == ["PAGE: night failed, night of 2026-11-20"]
    assert sum("PAGE" in each["text"] for each in chat.got) == 1
    assert "blocked:night_failed:night" in open_tickets(live)
    put_night(live, NIGHT + timedelta(days=1))
    notify.tell(live, NIGHT + timedelta(days=1), MORNING)
    assert open_tickets(live) == []
    closed = {each.cause: each for each in tickets.listed(live, closed=True)}["blocked:night_failed:night"]
    assert (closed.opened, closed.closed) == (NIGHT, NIGHT + timedelta(days=1))


def test_a_held_release_pages_and_stays_blocked_on_nights_that_build_nothing(
    live: Settings, mail: MailServer
) -> None:
    put_night(live, state="held")
    with connect(live, "publisher") as db:
        db.execute(
            "insert into ops.release (number, night, state, code_version, stale_reason) values "
            "(1, %(before)s, 'released', 'x', 'release 2 is held back: kpi is empty'), (2, %(night)s, 'held', 'x', null)",
            {"night": NIGHT, "before": NIGHT - timedelta(days=1)},
        )
    found = [each.message for each in notify.tell(live, NIGHT, MORNING).alerts if each.pages]
    assert found == ["release 2 is held back: kpi is empty"]
    assert next(each["Subject"] for each in letters(mail)) == "PAGE: release held, night of 2026-11-20"
    tomorrow = NIGHT + timedelta(days=1)
    put_night(live, tomorrow)
    notify.tell(live, tomorrow, MORNING + timedelta(days=1))
    (ticket,) = [each for each in tickets.listed(live) if "release_held" in each.cause]
    assert (ticket.opened, ticket.last_seen) == (NIGHT, tomorrow)
    with connect(live, "publisher") as db:
        db.execute("update ops.release set state = 'released' where number = 2")
    notify.tell(live, tomorrow, MORNING + timedelta(days=1))
    (closed,) = tickets.listed(live, closed=True)[:1]
    assert (closed.closed, closed.release) == (tomorrow, 2)


# -- what did not run ----------------------------------------------------------------------------------------
def test_a_night_that_never_ran_is_the_first_line_and_pages_when_it_should_have_ended(
    live: Settings, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_night(live, NIGHT - timedelta(days=1))
    early = notify.check(live, MORNING.replace(hour=5))
    assert (early.night, early.alerts) == (NIGHT - timedelta(days=1), [])
    for _ in range(2):
        found = notify.check(live, MORNING)
    assert found.night == NIGHT and found.alerts[0].cause == "dead_man:night:nightly_refresh"
    assert "found that it was never opened" in found.alerts[0].message
    subjects = [each["Subject"] for each in letters(mail, "team@city.test")]
    assert subjects[1:] == [
        "PAGE: night, night of 2026-11-20",
        f"Warehouse, night of 2026-11-20: {found.of(TEAM).needs} to look after",  # type: ignore[union-attr]
    ]
    put_night(live)  # somebody ran it at last
    notify.tell(live, NIGHT, MORNING.replace(hour=9))
    assert open_tickets(live) == []
    monkeypatch.setenv("CITYPERF_SCHEDULE", "off")
    assert silent(live, NIGHT + timedelta(days=1), MORNING + timedelta(days=1)) == []


def test_nights_before_the_first_one_were_never_promised(live: Settings) -> None:
    put_night(live, NIGHT)
    assert silent(live, NIGHT - timedelta(days=1), MORNING) == []


def test_a_night_that_hangs_did_not_run(live: Settings) -> None:
    with connect(live, "loader") as db:
        db.execute("insert into ops.night (night) values (%s)", (NIGHT,))
    assert silent(live, now=MORNING.replace(hour=5)) == []
    assert "found that it is still open" in silent(live)[0].message


def test_data_sets_whose_rhythm_passed_without_a_visit_are_named(live: Settings) -> None:
    put_night(live, NIGHT - timedelta(days=8))
    theirs = [each for each in silent(live) if each.check == "rhythm"]
    told = " ".join(each.message for each in theirs)
    weekly = [
        n for n, c in load_contracts().items() if c.schedule.refresh in ("real_time", "daily", "weekly")
    ]
    assert theirs and {each.subject for each in theirs} == {load_contracts()[n].owner.steward for n in weekly}
    assert any(name in told for name in weekly)


def test_a_database_that_does_not_answer_is_told_without_it_and_closes_nothing(
    tmp_path: Any, mail: MailServer, live: Settings
) -> None:
    put_night(live, **{LATE: "late"})
    notify.tell(live, NIGHT, MORNING)
    before = open_tickets(live)
    sent = len(mail.got)
    with running(ChatServer()) as closed:
        port = closed.server_address[1]
    (live.run / "ports.json").write_text(json.dumps({"postgres": port}))
    broken = replace(live, database_url=None)
    for _ in range(2):
        found = notify.check(broken, MORNING + timedelta(days=1))
    assert [each.cause for each in found.alerts] == ["dead_man:database:warehouse"]
    assert open_tickets(live) == sorted([*before, "dead_man:database:warehouse"])
    assert [each["Subject"] for each in letters(mail)[sent:]] == [
        "PAGE: database, night of 2026-11-21",
        "Warehouse, night of 2026-11-21: 1 to look after",
    ]
    assert str(port) not in found.alerts[0].message
    folder = live.base / "digests" / NIGHT.isoformat()
    told = {path: path.read_bytes() for path in folder.glob("*.*")}
    notify.tell(broken, NIGHT, MORNING)  # gone again right after the night was told
    assert {path: path.read_bytes() for path in folder.glob("*.*")} == told


def test_visits_and_judgements_that_are_missing_are_told_to_their_stewards(live: Settings) -> None:
    put_night(live)
    with connect(live, "loader") as db:
        db.execute("delete from ops.fetch where dataset = %s", (LATE,))
        db.execute("update ops.fetch set state = 'running' where dataset = %s", (REFUSED,))
        db.execute("delete from ops.check_result where subject = %s", (LATE,))
    steward = {name: load_contracts()[name].owner.steward for name in (LATE, REFUSED)}
    assert {(each.check, each.owner) for each in silent(live)} == {
        ("visit", steward[LATE]),
        ("freshness", steward[LATE]),
        ("visit_ended", steward[REFUSED]),
    }
    assert all(LATE in each.message for each in silent(live) if each.owner == steward[LATE])


def test_a_file_that_was_loaded_without_a_check_of_its_suite_is_told(live: Settings) -> None:
    put_night(live)
    contract = load_contracts()[LATE]
    checks = sorted({rule.check for rule in landing_rules(contract, NIGHT)})
    with connect(live, "loader") as db:
        (file,) = db.execute(
            "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) "
            "values (%s, 'a', %s, 1, 'u', %s, now()) returning file_id", (LATE, "ab" * 32, NIGHT),
        ).fetchone() or (0,)  # fmt: skip
        (batch,) = db.execute(
            "insert into ops.batch (dataset, file_id, night, state) values (%s, %s, %s, 'loaded') returning batch_id",
            (LATE, file, NIGHT),
        ).fetchone() or (0,)
        db.cursor().executemany(
            "insert into ops.check_result (night, border, suite, check_name, subject, batch_id, severity, status, "
            "expected, found, message, owner, runbook) values (%s, 'landing', 's', %s, %s, %s, 'block', 'pass', "
            "'', '', '', 'x', 'y')",
            [(NIGHT, check, LATE, batch) for check in checks],
        )
    assert silent(live) == []
    with connect(live, "loader") as db:
        db.execute("delete from ops.check_result where check_name = %s", (checks[0],))
    (found,) = silent(live)
    assert found.check == "landing_suite" and found.message.endswith(f"no result of {checks[0]}")


def test_a_release_that_passed_by_a_check_of_the_gate_is_told(clean_warehouse: Settings) -> None:
    number = publish.open_candidate(clean_warehouse, NIGHT)
    build_candidate(clean_warehouse, number, night=NIGHT)
    check_publish(clean_warehouse, NIGHT)
    with connect(clean_warehouse, "publisher") as db:
        db.execute("update ops.release set state = 'released' where number = %s", (number,))
        lineage = read_lineage(clean_warehouse)
        assert dead_man._publish_checks(db, "sample", NIGHT, lineage) == []
        db.execute("delete from ops.check_result where suite = 'publish.kpi' and check_name = 'not_empty'")
        (found,) = dead_man._publish_checks(db, "sample", NIGHT, lineage)
    assert found.message.endswith("found no result of kpi: not_empty")


# -- commands ------------------------------------------------------------------------------------------------
def test_a_job_that_once_told_that_it_ran_is_missed_when_it_falls_silent(
    live: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITYPERF_HOME", str(live.home))
    monkeypatch.setenv("CITYPERF_PROFILE", "live")
    assert main(["alerts", "beat", "backup", "--every", "26 hours"]) == 0
    now = datetime.now(TORONTO)
    assert silent(live, NIGHT, now) == []
    (found,) = silent(live, NIGHT, now + timedelta(hours=27))
    assert found.message.startswith("backup: expected it to run at least every 26 hours")
    assert main(["alerts", "beat", "Back up", "--every", "26 hours"]) == 2
    assert main(["alerts", "beat", "backup", "--every", "soon"]) == 2
    assert main(["alerts", "forget", "backup"]) == 0
    assert main(["alerts", "forget", "backup"]) == 1
    assert "known: none" in capsys.readouterr().err
    assert silent(live, NIGHT, now + timedelta(hours=27)) == []


def test_digest_tickets_and_check_on_the_command_line(
    live: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mail: MailServer
) -> None:
    monkeypatch.setenv("CITYPERF_HOME", str(live.home))
    monkeypatch.setenv("CITYPERF_PROFILE", "live")

    def run(*arguments: str) -> tuple[int, str]:
        code = main([*arguments])
        return code, capsys.readouterr().out

    put_night(live, **{LATE: "late"})
    notify.tell(live, NIGHT, MORNING)
    assert f"✘ {LATE} did not come" in run("digest", "--to", "311 Performance")[1]
    assert json.loads(run("digest", "--json")[1])["alerts"][0]["cause"] == f"late:late:{LATE}"
    assert run("digest", "--to", "Nobody")[0] == 1
    sent = len(mail.got)
    assert run("digest", "--send")[0] == 0 and len(mail.got) == sent
    code, listing = run("tickets")
    assert code == 0 and f"{NIGHT}  open, 1 night" in listing and LATE in listing
    (row,) = json.loads(run("tickets", "--json")[1])
    assert (row["state"], row["cause"]) == ("open", f"late:late:{LATE}")
    code, said = run("alerts", "check")  # of tonight, which this test never opens
    assert (code, "did not run" not in said) == (1, True) and "expected it to have ended by now" in said
