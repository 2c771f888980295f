"""Invented hand-ins: whole workbooks that stay what they were, with rows that come, move forward and go."""

from __future__ import annotations

import functools
from datetime import date
from pathlib import Path

import pytest
from cityperf.handin import division_key
from cityperf.portal.sample import registers
from cityperf.portal.sample.world import Cache, World
from cityperf.sources import Contract, load_contracts
from python_calamine import CalamineWorkbook

NIGHT, LATER = date(2026, 11, 20), date(2027, 2, 1)
REGISTERS = {name: each for name, each in load_contracts().items() if each.register and each.sample}
FOLDERS = sorted({str(each.extract.arguments["folder"]) for each in REGISTERS.values()})
Rows = dict[tuple[object, ...], dict[str, object]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(7, 0.05, Cache(tmp_path_factory.mktemp("cache"), 7, 0.05))


@functools.cache
def drawn(world: World, dataset: str, division: str, day: date) -> list[dict[str, object]]:
    return [dict(row) for row in registers.rows(world, REGISTERS[dataset], division, day)]


def handed_in(world: World, contract: Contract, division: str, day: date) -> Rows:
    """Key → row, as a division states the register as of a day."""
    keys = [key for key in contract.keys if key != "division"]
    return {tuple(row[key] for key in keys): row for row in drawn(world, contract.dataset, division, day)}


def quarters(contract: Contract) -> list[date]:
    assert contract.sample is not None
    return [registers.as_of(period) for period in registers.periods(contract.sample, NIGHT)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_workbook_has_every_sheet_of_its_folder_and_a_title_block(world: World, folder: str) -> None:
    made = registers.drops(world, folder, NIGHT)
    assert made
    contracts = [each for each in REGISTERS.values() if each.extract.arguments["folder"] == folder]
    assert len(made) == 5 * len({name for each in contracts for name in registers.divisions(each)})
    name, make = list(made.items())[-1]
    file = make().file
    assert file is not None
    book = CalamineWorkbook.from_path(str(file))
    for contract in contracts:
        sheets = contract.extract.read.sheets
        rows = book.get_sheet_by_name(sheets[0]).to_python(skip_empty_area=False)
        assert rows[1][0] == "Division"
        assert name == f"{folder}_{division_key(str(rows[1][1]))}_{rows[2][1]}.xlsx"
        assert rows[3][1] == f"{folder} v1"
        assert not any(rows[4])
        assert len(rows) > 6


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_hand_in_keeps_its_bytes_whatever_the_night_and_the_process(
    world: World, folder: str, tmp_path: Path
) -> None:
    again = World(7, 0.05, Cache(tmp_path, 7, 0.05))
    before, after = registers.drops(world, folder, NIGHT), registers.drops(again, folder, LATER)
    assert before and after
    shared = sorted({*before} & {*after})
    assert shared and {*after} - {*before}
    for name in shared[:: max(1, len(shared) // 2)]:
        assert before[name]().content() == after[name]().content()


@pytest.mark.parametrize("dataset", sorted(REGISTERS))
def test_statuses_move_forward_only(world: World, dataset: str) -> None:
    contract = REGISTERS[dataset]
    assert contract.register is not None
    status = contract.register.status
    if status is None:
        return
    order = {name: place for place, name in enumerate(status.forward)}
    for division in registers.divisions(contract):
        furthest: dict[tuple[object, ...], int] = {}
        for day in quarters(contract):
            for key, row in handed_in(world, contract, division, day).items():
                place = order.get(str(row[status.column]), furthest.get(key, 0))
                assert place >= furthest.get(key, 0), (division, day, key)
                furthest[key] = place


@pytest.mark.parametrize("dataset", sorted(REGISTERS))
def test_rules_and_links_of_the_contract_hold(world: World, dataset: str) -> None:
    contract = REGISTERS[dataset]
    assert contract.register is not None
    broken = []
    for division in registers.divisions(contract):
        for day in quarters(contract):
            rows = handed_in(world, contract, division, day)
            for link in contract.register.links:
                target = REGISTERS[link.dataset]
                there = {row[link.target] for row in handed_in(world, target, division, day).values()}
                broken += [(day, link, key) for key, row in rows.items() if row[link.column] not in there]
            for rule in contract.register.rules:
                for key, row in rows.items():
                    told = row[rule.column]
                    other = day if rule.other == "as_of" else row[rule.other]
                    if told is None or (other is None and rule.kind != "needs"):
                        continue
                    holds = {
                        "not_before": lambda a, b: a >= b,
                        "not_after": lambda a, b: a <= b,
                        "at_most": lambda a, b: a <= b,
                        "needs": lambda a, b: b is not None,
                    }[rule.kind](told, other)
                    broken += [] if holds else [(day, rule, key)]
    assert broken == []


@pytest.mark.parametrize("dataset", sorted(REGISTERS))
def test_keys_are_unique_and_what_is_required_is_filled(world: World, dataset: str) -> None:
    contract = REGISTERS[dataset]
    required = [str(each.name) for each in contract.named_columns if each.required and not each.above]
    for division in registers.divisions(contract):
        for day in quarters(contract):
            stated = list(registers.rows(world, contract, division, day))
            assert stated
            assert len(stated) == len(handed_in(world, contract, division, day))
            assert [(row, name) for row in stated for name in required if row[name] is None] == []


@pytest.mark.parametrize("dataset", ["milestones", "requests", "action_items"])
def test_rows_come_and_go_and_their_numbers_are_not_used_again(world: World, dataset: str) -> None:
    contract = REGISTERS[dataset]
    division = registers.divisions(contract)[0]
    first, *later = (handed_in(world, contract, division, day) for day in quarters(contract))
    gone: set[tuple[object, ...]] = set()
    known = {*first}
    for rows in later:
        assert not gone & {*rows}
        gone |= known - {*rows}
        known |= {*rows}
    assert gone
    assert known - {*first}


def test_statuses_do_move_and_some_rows_leave_the_way(world: World) -> None:
    contract = REGISTERS["milestones"]
    seen: dict[tuple[object, ...], list[str]] = {}
    for day in quarters(contract):
        for key, row in handed_in(world, contract, "Technology Services", day).items():
            seen.setdefault(key, []).append(str(row["status"]))
    ways = {tuple(dict.fromkeys(each)) for each in seen.values()}
    assert ("Planned", "Underway") in ways or ("Underway", "Completed") in ways
    assert any("Cancelled" in way for way in ways)
