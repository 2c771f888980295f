"""What stewards decide about held rows and files: by whom, carried out by the loader, and nothing lost on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from cityperf import quarantine
from cityperf.cli import main
from cityperf.config import Settings
from cityperf.errors import CityperfError, FileQuarantined
from cityperf.load import load_file, rebuild
from cityperf.publish.approvers import NotAllowed
from cityperf.sources import Contract

from tests.integration.builds import dbt
from tests.integration.publisher import NIGHT, contract, deliver, land, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
NEXT = NIGHT + timedelta(days=1)
BY, WHY = "d.laurier", "the operator confirmed the station"
GOOD = "".join(f"{n},A,{n}\n" for n in range(20))
LINES = {
    "id": "text",
    "minutes": "integer",
    "line": {"header": ["station"], "type": "text", "allowed": ["A"]},
}
KEYED = contract(columns=LINES, keys=["id"])
MONTHLY = contract(
    columns={
        "day": {"header": ["id"], "type": "date", "required": True},
        "station": {"header": ["station"], "type": "text", "allowed": ["A"]},
    },
    partition={"column": "day", "grain": "month"},
    drift={"new_column": "ignore"},
)


def csv(*lines: str) -> bytes:
    return ("id,station,minutes\n" + GOOD + "".join(f"{line}\n" for line in lines)).encode()


def contracts(*agreed: Contract) -> dict[str, Contract]:
    return {each.dataset: each for each in agreed}


def held(settings: Settings, agreed: Contract = KEYED, state: str = "held") -> list[str]:
    return [each.id for each in quarantine.listed(settings, state=state, contracts=contracts(agreed))]


def decide(
    settings: Settings, *ids: str, agreed: Contract = KEYED, decision: Any = "released", by: str = BY
) -> None:
    quarantine.decide(settings, ids, decision, by, WHY, NEXT, contracts(agreed))


def carry_out(settings: Settings, agreed: Contract = KEYED) -> dict[str, str]:
    return dict(quarantine.carry_out(settings, NEXT, contracts(agreed)))


def ids_in_raw(query: Query, where: str = "id::int >= 100") -> list[Any]:
    return query(f"select id, _row, _night from raw.delays where {where} order by _row")


# -- rows ----------------------------------------------------------------------------------------------------
def test_a_released_row_is_loaded_as_the_row_that_it_was(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv("100,NEW,5", "101,NEW,6", "102,A,7"))
    first, second = held(clean_warehouse)
    decide(clean_warehouse, first)
    assert ids_in_raw(query) == [("102", 23, NIGHT)]  # not before the refresh
    assert quarantine.unreconciled(clean_warehouse) == []
    assert "loaded with batch" in carry_out(clean_warehouse)[first]
    assert ids_in_raw(query) == [("100", 21, NIGHT), ("102", 23, NIGHT)]
    assert held(clean_warehouse) == [second]
    assert quarantine.unreconciled(clean_warehouse) == []
    ((said),) = quarantine.show(clean_warehouse, first, contracts(KEYED))[1]
    assert (said.decided_by, said.decided_on, said.reason, said.settled_on) == (BY, NEXT, WHY, NEXT)
    assert carry_out(clean_warehouse) == {}  # a repeat finds nothing to do
    rebuild(clean_warehouse, KEYED)
    assert ids_in_raw(query) == [("100", 21, NIGHT), ("102", 23, NIGHT)]
    assert quarantine.unreconciled(clean_warehouse) == []


def test_a_discarded_row_stays_kept_and_counted(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv("100,NEW,5"))
    (row,) = held(clean_warehouse)
    decide(clean_warehouse, row, decision="discarded")
    assert carry_out(clean_warehouse) == {}
    rebuild(clean_warehouse, KEYED)
    assert held(clean_warehouse, state="discarded") == [row]
    assert query(
        "select rows_in, rows_loaded, rows_held, rows_discarded, difference from quarantine.reconciliation"
    ) == [(21, 20, 0, 1, 0)]
    assert query("select record is not null from quarantine.rows") == [(True,)]


def test_a_row_that_was_let_in_can_be_taken_out_again(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv("100,NEW,5"))
    (row,) = held(clean_warehouse)
    decide(clean_warehouse, row)
    carry_out(clean_warehouse)
    assert len(ids_in_raw(query)) == 1
    decide(clean_warehouse, row, decision="discarded", by="k.nakamura")
    assert carry_out(clean_warehouse)[row].startswith("taken out of raw again")
    assert ids_in_raw(query) == []
    assert held(clean_warehouse, state="discarded") == [row]
    assert [each.decided_by for each in quarantine.show(clean_warehouse, row, contracts(KEYED))[1]] == [
        BY,
        "k.nakamura",
    ]
    assert quarantine.unreconciled(clean_warehouse) == []


def test_what_is_no_matter_of_judgement_is_held_again_until_the_contract_says_otherwise(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, KEYED, csv("100,A,five", "7,A,5"))
    wrong_type, repeated = held(clean_warehouse)
    decide(clean_warehouse, wrong_type, repeated)
    said = carry_out(clean_warehouse)
    assert "minutes is not a whole number" in said[wrong_type]
    assert "once in a file" in said[repeated]
    assert held(clean_warehouse) == [wrong_type, repeated]
    mended = contract(columns={**LINES, "minutes": "text"}, keys=["id"])
    decide(clean_warehouse, wrong_type, agreed=mended)
    assert "loaded with batch" in carry_out(clean_warehouse, mended)[wrong_type]
    assert ids_in_raw(query) == [("100", 21, NIGHT)]
    assert quarantine.unreconciled(clean_warehouse) == []


@pytest.mark.parametrize("agreed", [KEYED, MONTHLY], ids=["keeps all", "periods"])
def test_a_row_of_a_superseded_file_is_not_loaded_over_newer_ones(
    agreed: Contract, clean_warehouse: Settings, query: Query
) -> None:
    good = "".join(f"2026-10-{n:02},A,{n}\n" for n in range(1, 29)) if agreed is MONTHLY else GOOD
    rows = ("id,station,minutes\n" + good).encode()
    late = b"2026-10-30,NEW,5\n" if agreed is MONTHLY else b"100,NEW,5\n"
    deliver(clean_warehouse, agreed, rows + late)
    (row,) = held(clean_warehouse, agreed)
    decide(clean_warehouse, row, agreed=agreed)
    deliver(
        clean_warehouse,
        agreed,
        rows.replace(b"2026-10-07,A,7\n", b"").replace(b"\n7,A,7\n", b"\n7,A,8\n"),
        night=NEXT,
    )
    before = query("select * from raw.delays order by _file_id, _row")
    assert "superseded" in carry_out(clean_warehouse, agreed)[row]
    assert query("select * from raw.delays order by _file_id, _row") == before
    assert held(clean_warehouse, agreed) == [row]
    with pytest.raises(CityperfError, match="superseded"):
        decide(clean_warehouse, row, agreed=agreed)


def test_a_released_row_of_a_period_goes_in_where_its_file_still_stands(
    clean_warehouse: Settings, query: Query
) -> None:
    lines = "".join(f"2026-{month}-{n:02},A,{n}\n" for month in ("09", "10") for n in range(1, 29))
    bad = "2026-09-30,NEW,1\n2026-10-30,NEW,1\n"
    deliver(clean_warehouse, MONTHLY, ("id,station,minutes\n" + lines + bad).encode())
    september, october = held(clean_warehouse, MONTHLY)
    newer = "".join(f"2026-10-{n:02},A,0\n" for n in range(1, 29))
    deliver(clean_warehouse, MONTHLY, ("id,station,minutes\n" + newer).encode(), night=NEXT)
    decide(clean_warehouse, september, october, agreed=MONTHLY)
    said = carry_out(clean_warehouse, MONTHLY)
    assert "loaded" in said[september]
    assert "another delivery stands for its period" in said[october]
    assert query("select _period, count(*) from raw.delays group by 1 order by 1") == [
        ("2026-09", 29),
        ("2026-10", 28),
    ]


def test_a_load_that_dies_leaves_the_decision_to_the_next_night(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityperf import load

    deliver(clean_warehouse, KEYED, csv("100,NEW,5"))
    (row,) = held(clean_warehouse)
    decide(clean_warehouse, row)
    with monkeypatch.context() as broken:
        broken.setattr(load, "_finish", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        assert carry_out(clean_warehouse) == {}
    assert ids_in_raw(query) == []
    assert quarantine.unreconciled(clean_warehouse) == []
    ((status, message),) = query(
        "select status, message from ops.check_result where check_name = 'quarantine_decisions'"
    )
    assert status == "warn" and "the disk is full" in message
    assert "loaded" in carry_out(clean_warehouse)[row]
    assert len(ids_in_raw(query)) == 1


# -- files ---------------------------------------------------------------------------------------------------
def small(settings: Settings, night: date, stations: int = 20) -> int:
    lines = "".join(f"{n},A,{n}\n" for n in range(stations))
    return land(settings, KEYED, ("id,station,minutes\n" + lines).encode(), night=night)


def test_a_released_file_is_loaded_as_new_as_it_was(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv(*(f"{n},A,1" for n in range(100, 150))))
    shrunken = small(clean_warehouse, NEXT)
    with pytest.raises(FileQuarantined, match="about 70 rows"):
        load_file(clean_warehouse, NEXT, KEYED, shrunken, gate=open_gate)
    (file,) = held(clean_warehouse)
    decide(clean_warehouse, file)
    assert "20 of 20 rows" in carry_out(clean_warehouse)[file]
    assert query("select file_id from ops.cursor") == [(shrunken,)]
    assert held(clean_warehouse) == []
    assert quarantine.unreconciled(clean_warehouse) == []


def test_a_superseded_file_is_not_released(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv(*(f"{n},A,1" for n in range(100, 150))))
    shrunken = small(clean_warehouse, NEXT)
    with pytest.raises(FileQuarantined):
        load_file(clean_warehouse, NEXT, KEYED, shrunken, gate=open_gate)
    (file,) = held(clean_warehouse)
    decide(clean_warehouse, file)
    deliver(
        clean_warehouse, KEYED, csv(*(f"{n},A,2" for n in range(100, 150))), night=NEXT + timedelta(days=1)
    )
    before = query("select file_id from ops.cursor")
    assert "superseded" in carry_out(clean_warehouse)[file]
    assert query("select file_id from ops.cursor") == before
    assert query("select count(*) from raw.delays where _file_id = %s", (shrunken,)) == [(0,)]
    with pytest.raises(CityperfError, match="superseded"):
        decide(clean_warehouse, file)


def test_a_discarded_file_stays_so_when_it_is_offered_again(clean_warehouse: Settings) -> None:
    broken = land(clean_warehouse, KEYED, b"nothing,of,the,kind\n1,2,3,4\n")
    with pytest.raises(FileQuarantined):
        load_file(clean_warehouse, NIGHT, KEYED, broken, gate=open_gate)
    decide(clean_warehouse, *held(clean_warehouse), decision="discarded")
    with pytest.raises(FileQuarantined):
        load_file(clean_warehouse, NEXT, KEYED, broken, gate=open_gate)
    assert held(clean_warehouse) == []
    assert len(held(clean_warehouse, state="discarded")) == 2


# -- who, and what is shown ----------------------------------------------------------------------------------
def test_only_somebody_of_the_register_decides_and_says_why(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv("100,NEW,5", "101,A"))
    judged = held(clean_warehouse)[0]
    for by in ("nobody", ""):
        with pytest.raises(NotAllowed, match="who is not in the register"):
            decide(clean_warehouse, judged, by=by)
    with pytest.raises(CityperfError, match="expected a reason"):
        quarantine.decide(clean_warehouse, [judged], "released", BY, "  ", NEXT, contracts(KEYED))
    with pytest.raises(CityperfError, match="expected an id such as"):
        decide(clean_warehouse, "12")
    assert query("select count(*) from quarantine.decision") == [(0,)]


def test_all_or_none_is_decided(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, csv("100,NEW,5", "101,A"))
    ids = dict(query("select line, 'R' || quarantine_id from quarantine.rows"))
    with pytest.raises(CityperfError, match="could not be read as a record"):
        decide(clean_warehouse, str(ids[22]), str(ids[23]))
    assert query("select distinct state from quarantine.rows") == [("held",)]
    decide(clean_warehouse, str(ids[23]), decision="discarded")
    assert quarantine.unreconciled(clean_warehouse) == []


def test_nobody_may_rewrite_a_decision(clean_warehouse: Settings, query: Query) -> None:
    import psycopg

    deliver(clean_warehouse, KEYED, csv("100,NEW,5"))
    decide(clean_warehouse, *held(clean_warehouse))
    for statement in ("update quarantine.decision set decided_by = 'x'", "delete from quarantine.decision"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(statement, role="loader")


def test_show_and_list_say_nothing_of_persons(
    clean_warehouse: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityperf import sources

    agreed = KEYED.model_copy(update={"privacy": KEYED.privacy.model_copy(update={"level": "person_level"})})
    deliver(clean_warehouse, KEYED, csv("31415926,NEW,5"))
    monkeypatch.setattr(sources, "load_contracts", lambda *_: contracts(agreed))
    monkeypatch.setattr("cityperf.cli.quarantine.settings", lambda: clean_warehouse)
    (row,) = held(clean_warehouse)
    for arguments in (["list", "--json"], ["list"], ["show", row], ["show", row, "--json"]):
        assert main(["quarantine", *arguments]) == 0
    said = capsys.readouterr().out
    assert "31415926" not in said
    assert '"record": "(withheld)"' in said
    found, _ = quarantine.show(clean_warehouse, row, {})
    assert "NEW" not in json.dumps([found.found, found.record, found.reason])


def test_the_command_decides_and_tells(
    clean_warehouse: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityperf import sources

    deliver(clean_warehouse, KEYED, csv("100,NEW,5", "101,NEW,6"))
    monkeypatch.setattr(sources, "load_contracts", lambda *_: contracts(KEYED))
    monkeypatch.setattr("cityperf.cli.quarantine.settings", lambda: clean_warehouse)
    first, last = held(clean_warehouse)
    assert main(["quarantine", "release", f"{first}-{last}", "--by", BY, "--reason", WHY]) == 0
    assert f"released: {first}, {last}" in capsys.readouterr().out
    assert main(["quarantine", "discard", first, "--by", "somebody", "--reason", "x"]) == 1
    assert "who is not in the register" in capsys.readouterr().err
    assert main(["quarantine", "list", "--state", "released", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["row"] == {"released": 2}
    assert [each["id"] for each in told["items"]] == [first, last]
    assert told["unreconciled"] == []


# -- counted -------------------------------------------------------------------------------------------------
def test_what_was_decided_is_counted_in_the_published_table(clean_warehouse: Settings, query: Query) -> None:
    agreed = contract("operating_budget", columns=LINES, keys=["id"])
    deliver(clean_warehouse, agreed, csv("100,NEW,5", "101,NEW,6", "102,NEW,7", "103,NEW,8"))
    first, second, third, _ = held(clean_warehouse, agreed)
    decide(clean_warehouse, first, agreed=agreed)
    carry_out(clean_warehouse, agreed)
    decide(clean_warehouse, second, agreed=agreed)  # waits for the next refresh: still out
    decide(clean_warehouse, third, agreed=agreed, decision="discarded")
    states = dbt(clean_warehouse, NIGHT, "run", "--select", "mart_data_quality", "data_quality")
    assert set(states.values()) == {"success"}
    assert query(
        "select rows_loaded, rows_quarantined, rows_discarded from publish_next.data_quality where dataset = %s",
        (agreed.dataset,),
    ) == [(21, 2, 1)]
