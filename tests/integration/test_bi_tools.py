"""What analysts' tools read: the tables through ODBC, the release's files through DuckDB, the notebook cell by cell."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from cityperf.config import ROOT, Settings

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
    """Each cell in turn in one namespace, as a kernel does; what a cell ends with is what it shows."""
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: published))
    book = json.loads((ROOT / "docs" / "analysts.ipynb").read_text("utf-8"))
    assert (book["nbformat"], book["metadata"]["kernelspec"]["language"]) == (4, "python")
    cells = [each for each in book["cells"] if each["cell_type"] == "code"]
    assert all(each["outputs"] == [] and each["execution_count"] is None for each in cells)
    names: dict[str, Any] = {}
    shown = []
    for each in cells:
        *steps, last = ast.parse("".join(each["source"])).body
        exec(compile(ast.Module(steps, []), "analysts.ipynb", "exec"), names)  # noqa: S102  (our own notebook)
        assert isinstance(last, ast.Expr), "each cell ends with what it shows"
        shown.append(eval(compile(ast.Expression(last.value), "analysts.ipynb", "eval"), names))  # noqa: S307  (likewise)
    tables, series, told, origin, landed, chart, then, revised = shown
    assert "kpi_value" in set(tables["table"])
    assert series["value"].tolist() == [53236001.5]
    assert told[0].startswith("SAMPLE") and told[1] == {"2.05": "number"}
    assert origin[0] == 2 and len(origin[3]) == 64 and landed[0][0] == "dashboard_measures"
    assert chart.to_dict()["mark"] == {"type": "line", "point": True}
    assert then == (2, 1)
    assert revised[["first", "last", "count"]].to_numpy().tolist() == [[53236000, 53236001.5, 2]]
