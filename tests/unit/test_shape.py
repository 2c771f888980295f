"""What changed in a file's shape, told from two files and their contract."""

from __future__ import annotations

from pathlib import Path

from cityperf.shape import differences, shape_of
from cityperf.sources import Contract

from tests.integration.publisher import contract as make


def shape(tmp_path: Path, name: str, text: str) -> list[str]:
    file = tmp_path / name
    file.write_text(text)
    return list(
        differences(shape_of(CONTRACT, tmp_path / "before.csv", "before.csv"), shape_of(CONTRACT, file, name))
    )


CONTRACT: Contract = make(drift={"new_column": "accept", "missing_column": "warn", "type_error": "warn"})
BEFORE = "id,station,minutes\n" + "".join(f"{n},S{n % 3},{n}\n" for n in range(10))


def test_other_values_are_no_change_of_shape(tmp_path: Path) -> None:
    (tmp_path / "before.csv").write_text(BEFORE)
    assert shape(tmp_path, "now.csv", BEFORE.replace(",7\n", ",700\n")) == []


def test_columns_types_categories_and_rows_are_told(tmp_path: Path) -> None:
    (tmp_path / "before.csv").write_text(BEFORE)
    now = "station,id,minutes,line\n" + "".join(f"S9,{n},about {n},1\n" for n in range(5))
    found = "\n".join(shape(tmp_path, "now.csv", now))
    assert "columns new: line" in found
    assert "columns moved" in found
    assert "minutes: was integer, is text" in found
    assert "station: values not seen before: 'S9'" in found
    assert "rows: 10 before, 5 now" in found


def test_a_column_that_went_blank_is_told(tmp_path: Path) -> None:
    (tmp_path / "before.csv").write_text(BEFORE)
    now = "id,station,minutes\n" + "".join(f"{n},,{n}\n" for n in range(10))
    assert shape(tmp_path, "now.csv", now) == ["station: blank in 0% of the rows, now 100%"]
