"""How long hand-ins take: one of 5,000 rows answered by `./cityperf submit`, and a night of 44 divisions × 12 workbooks.

    ./cityperf bench handin [--rows 5000] [--rounds 3] [--divisions 44] [--workbooks 12] [--each 40] [--gate]

Starts a PostgreSQL of its own in a temporary home. `submit` is the whole command as a clerk types it, from the shell to
the printed receipt, against a hand-in that was loaded before; a hundred rows are wrong. `night` lands and loads every
workbook (filled templates of `each` rows) in the lots of a night, one after the other in one process, with all of the
contract's checks and the receipts; `--gate` adds the Great Expectations gate, imported once before the clock starts.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "include"))

from cityperf.config import ROOT, Settings, tonight
from cityperf.handin import Workbook, workbook_named, workbooks
from cityperf.handin.template import entered, header_row, template
from cityperf.sources import read_contract

NIGHT = date(2026, 11, 20)
AS_OF = date(2026, 9, 30)
CONTRACT = """\
dataset: bench_register_{number}
title: Bench register {number}
description: Twelve columns.
owner: {{division: Benchmarks, steward: Benchmarks}}
licence: OGL-Toronto
privacy: {{class: public}}
tier: 3
extract:
  connector: drop_folder
  folder: bench_{number}
  match: '(?i)^bench_{number}_(?P<division_key>[a-z0-9-]+)_(?P<as_of>\\d{{4}}-\\d{{2}}-\\d{{2}})\\.xlsx$'
  read: {{format: xlsx, sheets: [Register]}}
schedule: {{refresh: quarterly, warn_after: 100 days, fail_after: 200 days}}
keys: [division, item_id]
register:
  version: 1
  title: {{en: Register, fr: Registre}}
  due: {{months: [1, 4, 7, 10], day: 15}}
  divisions: [{divisions}]
  status: {{column: status, forward: [Planned, Underway, Completed]}}
  rules:
    - {{column: finished_on, not_before: started_on}}
    - {{column: spent, at_most: budget}}
columns:
  - {{name: division, above: Division, type: text, required: true}}
  - {{name: as_of, above: Reflects progress up to, type: date, required: true}}
  - {{name: template, above: Template, type: text}}
  - {{name: item_id, header: [Item ID], type: text, required: true}}
  - {{name: title, header: [Title], type: text, required: true}}
  - {{name: status, header: [Status], type: text, allowed: [Planned, Underway, Completed]}}
  - {{name: started_on, header: [Started], type: date}}
  - {{name: finished_on, header: [Finished], type: date}}
  - {{name: budget, header: [Budget], type: money, min: 0}}
  - {{name: spent, header: [Spent], type: money, min: 0}}
  - {{name: share, header: [Share], type: percent, min: 0, max: 100}}
  - {{name: comment, header: [Comment], type: text}}
"""


def cells(number: int) -> dict[str, Any]:
    """One row of the invented register."""
    began = AS_OF - timedelta(days=number % 900)
    return {
        "item_id": f"I-{number:05d}", "title": f"Item {number} of the register", "started_on": began,
        "status": ("Planned", "Underway", "Completed")[number % 3], "finished_on": began + timedelta(days=90),
        "budget": 1000.0 + number, "spent": 900.0, "share": 10 + number % 90, "comment": f"Nothing to add, {number}",
    }  # fmt: skip


def books(workbook: Workbook, rows: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """The filled template of each division: (name, bytes)."""
    import openpyxl

    contract = workbook.sheets[0]
    book = openpyxl.load_workbook(io.BytesIO(template(workbook)))
    sheet = book[contract.extract.read.sheets[0]]
    for line, row in enumerate(rows, header_row(contract) + 2):
        for position, column in enumerate(entered(contract), 1):
            sheet.cell(line, position, row.get(str(column.name)))
    for division in workbook.divisions:
        if any(column.name == "division" and column.above for column in contract.named_columns):
            sheet["B2"], sheet["B3"] = division, AS_OF
        out = io.BytesIO()
        book.save(out)
        yield workbook.file_name(division, AS_OF), out.getvalue()


def submit(settings: Settings, rows: int, rounds: int) -> None:
    from cityperf.extract import extract
    from cityperf.load import load_file

    workbook = workbook_named("commitments")
    contract = workbook.sheets[0]
    status = next(column.allowed for column in contract.named_columns if column.name == "status")

    def row(number: int, spoiled: bool) -> dict[str, Any]:
        return {
            "commitment_id": f"C-{number:05d}", "goal": "Bench", "priority": "Bench", "division": "City Planning",
            "commitment": f"Do thing {number}", "due_date": date(2027, 1, 1), "as_of": AS_OF,
            "status": "nearly" if spoiled and number % 50 == 0 else status[number % len(status)],
        }  # fmt: skip

    folder = settings.drop / workbook.folder
    folder.mkdir(parents=True)
    for spoiled, place in ((False, folder), (True, settings.home)):
        ((name, content),) = books(workbook, [row(n, spoiled) for n in range(1, rows + 1)])
        (place / name).write_bytes(content)
    for file in extract(settings, NIGHT, contract):
        load_file(settings, NIGHT, contract, file["file_id"], gate=lambda *_: [])
    command = [ROOT / "cityperf", "submit", settings.home / name, "--as", "commitments", "--check"]
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run(command, env=os.environ | {"CITYPERF_HOME": str(settings.home)}, capture_output=True,
                              text=True, check=False)  # fmt: skip
        took.append(time.perf_counter() - start)
        wanted = f"{rows - rows // 50:,} of {rows:,} rows accepted"
        if done.returncode or wanted not in done.stdout:
            raise SystemExit(f"expected {wanted!r}, found: {done.stdout[-800:]}{done.stderr[-2000:]}")
    print(
        f"submit: {rows:,} rows, {rows // 50} wrong: {statistics.median(took):.2f} s "
        f"({', '.join(f'{each:.2f}' for each in took)})"
    )


def night(settings: Settings, divisions: int, count: int, each: int, gate: bool) -> None:
    from cityperf.extract import extract
    from cityperf.load import load_files, lots

    names = ", ".join(f"Division {n}" for n in range(1, divisions + 1))
    there: list[Workbook] = []
    for number in range(1, count + 1):
        file = settings.home / "contracts" / str(number) / f"bench_register_{number}.yml"
        file.parent.mkdir(parents=True)
        file.write_text(CONTRACT.format(number=number, divisions=names))
        there += workbooks([read_contract(file)]).values()
    size = 0
    for workbook in there:
        folder = settings.drop / workbook.folder
        folder.mkdir(parents=True)
        for name, content in books(workbook, [cells(n) for n in range(1, each + 1)]):
            (folder / name).write_bytes(content)
            size += len(content)
    import great_expectations  # noqa: F401  # its import is no part of the measure

    def passed(*_: Any) -> list[Any]:
        return []

    start, busy = time.perf_counter(), time.process_time()
    loaded = 0
    for workbook in there:
        (contract,) = workbook.sheets
        landed = [file["file_id"] for file in extract(settings, NIGHT, contract)]
        for lot in lots(settings, landed):
            results = load_files(settings, NIGHT, contract, lot, gate=None if gate else passed)
            loaded += sum(each.loaded for each in results)
    took = time.perf_counter() - start
    files = divisions * count
    receipts = len(list(settings.drop.glob("bench_*/receipts/*.receipt.json")))
    if loaded != files * each or receipts != files:
        raise SystemExit(
            f"expected {files * each:,} rows and {files} receipts, found {loaded:,} and {receipts}"
        )
    said = "with the gate" if gate else "without the gate"
    print(
        f"night: {divisions} divisions × {count} workbooks of {each} rows ({size >> 20} MB), {said}: {took:.1f} s, "
        f"{1000 * took / files:.0f} ms a file; {time.process_time() - busy:.1f} s of it this process's own CPU time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, number in (("rows", 5000), ("rounds", 3), ("divisions", 44), ("workbooks", 12), ("each", 40)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--gate", action="store_true")
    asked = parser.parse_args()
    if tonight() < AS_OF:
        raise SystemExit(f"expected a clock after {AS_OF}, found {tonight()}")
    from cityperf import postgres

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(home=Path(folder))
        postgres.start(settings)
        try:
            submit(settings, asked.rows, asked.rounds)
            night(settings, asked.divisions, asked.workbooks, asked.each, asked.gate)
        finally:
            postgres.stop(settings)


if __name__ == "__main__":
    main()
