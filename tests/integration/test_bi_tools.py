"""What analysts' tools read: the tables through ODBC, the release's files through DuckDB, the notebook in its kernel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from cityperf.config import ROOT, Settings
from nbclient import NotebookClient

RECIPES = (ROOT / "docs" / "bi.md").read_text("utf-8")


@pytest.fixture
def odbc(published: Settings) -> Iterator[Any]:
    """A connection as the recipe for Excel has it, with the address of `./cityperf dsn`."""
    import pyodbc

    if "PostgreSQL Unicode" not in pyodbc.drivers():
        pytest.skip(
            "PostgreSQL's ODBC driver is not installed (Debian's packages odbc-postgresql and unixodbc)"
        )
    [recipe] = re.findall(r"Driver=.*", RECIPES)
    login = urlsplit(published.dsn())
    filled = recipe.replace("HOST", str(login.hostname)).replace("PORT", str(login.port))
    # Without ReadOnly the driver leaves it to the server to refuse.
    filled = filled.replace("DATABASE", login.path.strip("/")).replace(";ReadOnly=1", "")
    connection = pyodbc.connect(f"{filled};Uid={login.username};Pwd={unquote(login.password or '')}")
    yield connection
    connection.close()


def test_odbc_lists_the_published_tables_with_types_and_opens_no_others(odbc: Any) -> None:
    """By the catalogue functions that Power BI, Tableau and Excel build their lists with."""
    import pyodbc

    cursor = odbc.cursor()
    tables = {(row.table_schem, row.table_name) for row in cursor.tables(tableType="TABLE")}
    internal = {name for schema, name in tables if schema == "ops"}
    assert internal, "PostgreSQL lists names to everybody; the recipes say so"
    with pytest.raises(pyodbc.Error, match="permission denied for schema ops"):
        cursor.execute(f"select * from ops.{min(internal)}")
    assert {"kpi", "kpi_value", "scorecard", "period", "geography"} <= {name for _, name in tables}
    comment = cursor.execute("select obj_description('publish.kpi_value'::regclass)").fetchval()
    assert comment.startswith("SAMPLE"), "the driver's lists leave comments out, so it is asked for"
    columns = {row.column_name: row.type_name for row in cursor.columns("kpi_value", schema="publish")}
    assert (columns["kpi_id"], columns["value"], columns["period_start"]) == ("text", "numeric", "date")
    assert next(iter(cursor.primaryKeys("kpi_value", schema="publish"))).column_name == "kpi_id"


def test_odbc_reads_exact_figures_dates_and_texts_and_cannot_write(odbc: Any) -> None:
    import pyodbc

    cursor = odbc.cursor()
    asked = (
        "select kpi_id, period_start, value, is_latest from publish.kpi_value where kpi_id = ? and is_latest"
    )
    row = cursor.execute(asked, "2.05").fetchone()
    assert (row.kpi_id, row.period_start, row.value) == ("2.05", date(2024, 1, 1), Decimal("53236001.5"))
    names = cursor.execute("select name_fr from publish.kpi where name_fr is not null").fetchall()
    assert all(isinstance(name, str) for (name,) in names)
    assert cursor.execute("show statement_timeout").fetchval() == "1min"
    with pytest.raises(pyodbc.Error, match="25006"):
        cursor.execute("delete from publish.kpi_value")
    odbc.rollback()
    cursor.execute("set default_transaction_read_only = off")
    odbc.commit()
    with pytest.raises(pyodbc.Error, match="42501"):
        cursor.execute("delete from publish.kpi_value")
    odbc.rollback()
    cursor.execute("set statement_timeout = '100ms'")
    with pytest.raises(pyodbc.Error, match="57014"):
        cursor.execute("select pg_sleep(5)")


def test_duckdb_reads_the_files_as_documented(
    published: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import duckdb

    monkeypatch.chdir(published.releases / "current")
    _, _, section = RECIPES.partition("## DuckDB")
    queries = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    assert len(queries) == 4
    by_file = [duckdb.sql(query).fetchall() for query in queries]
    assert [row[1] for row in by_file[0]] and len(by_file[0]) == 3
    assert by_file[1] == [("Jan 2024", Decimal("53236001.5"))]
    for rows in by_file[2:]:
        assert [(day, float(value)) for day, value in rows] == [(date(2024, 1, 1), 53236001.5)]


def test_the_notebook_runs_from_top_to_bottom(
    published: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the kernel that Jupyter starts for it, which knows the warehouse by its environment alone."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "include"))
    monkeypatch.setenv("CITYPERF_PROFILE", published.profile)
    monkeypatch.setenv("CITYPERF_HOME", str(published.home))
    book = nbformat.read(ROOT / "docs" / "analysts.ipynb", as_version=4)
    cells = [each for each in book.cells if each.cell_type == "code"]
    assert all(each.outputs == [] and each.execution_count is None for each in cells)
    NotebookClient(book, timeout=120).execute()
    shown = [each.outputs[-1].data for each in cells]  # each cell ends with what it shows
    assert "<svg" in shown.pop(5)["image/svg+xml"]
    tables, series, told, origin, landed, then, revised = (each["text/plain"] for each in shown)
    assert "kpi_value" in tables.split()
    assert series.split()[-2:] == ["2024-01-01", "53236001.5"]
    notice, units, _ = ast.literal_eval(told)
    assert notice.startswith("SAMPLE") and units == {"2.05": "number"}
    release, _, _, sha256 = ast.literal_eval(origin)
    assert release == 2 and len(sha256) == 64
    assert ast.literal_eval(landed)[0][0] == "dashboard_measures"
    assert ast.literal_eval(then) == (2, 1)
    assert revised.split()[-4:] == ["2024-01-01", "53236000.0", "53236001.5", "2"]
