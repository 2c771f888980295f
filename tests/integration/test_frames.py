"""Analysts' frames: typed, with units and provenance, of the release that was up at a date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from cityperf import frames
from cityperf.config import Settings
from cityperf.publish.as_of import NoLongerWhatItWas, NothingPublished

from tests.integration.candidate import NIGHT
from tests.integration.trust import night


def test_a_frame_is_typed_and_says_where_it_comes_from(published: Settings) -> None:
    frame = frames.read("kpi_value", kpi="1.02", as_of=night(1), settings=published)
    assert list(frame["value"].iloc[:1]) == [0.06884] and frame["value"].isna().tolist() == [False, True]
    assert str(frame["value"].dtype) == "float64"
    assert str(frame["period_start"].dtype) == "datetime64[s]"
    assert isinstance(frame["kpi_id"].dtype, pd.CategoricalDtype)
    assert str(frame["kpi_version"].dtype) == "Int64"
    assert str(frame["is_latest"].dtype) == "boolean"
    assert str(frame["mark"].dtype) == "string"
    assert frame.attrs["units"] == {"1.02": "number"}
    assert frame.attrs["notice"] == "SAMPLE - invented figures"
    origin = frame.attrs["provenance"]
    assert origin["release"] == 2 and origin["night"] == night(1).isoformat()
    assert [each["dataset"] for each in origin["landed"]] == ["dashboard_measures"]
    assert len(origin["sha256"]) == 64 and origin["licences"]
    assert frame.attrs["columns"]["value"].startswith("Figure.")


def test_as_of_gives_the_figure_of_that_day_and_vintages_gives_all(published: Settings) -> None:
    def values(on: date, **more: bool) -> list[object]:
        return frames.read("kpi_value", kpi="2.05", as_of=on, settings=published, **more)["value"].tolist()

    assert values(NIGHT) == [53236000.0]
    assert values(night(1)) == [53236001.5]
    assert values(night(1), vintages=True) == [53236000.0, 53236001.5]
    assert values(night(1), exact=True) == [Decimal("53236001.5")]


def test_every_table_on_the_list_can_be_read(published: Settings) -> None:
    listed = frames.tables(night(1), settings=published)
    assert "kpi_value" in set(listed["table"])
    for name, width in zip(listed["table"], listed["columns"], strict=True):
        assert frames.read(name, as_of=night(1), settings=published).shape[1] == width


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"table": "kpi_valu"}, "it has"),
        ({"table": "kpi_value", "kpi": "2.5"}, "lists all"),
        ({"table": "kpi_value", "kpi": "2.0"}, "near it: 2.05"),
        ({"table": "kpi_value", "columns": ["valu"]}, "it has kpi_id"),
        ({"table": "release", "kpi": "2.05"}, "without kpi="),
        ({"table": "kpi_value", "as_of": "1 March"}, "such as 2026-03-01"),
        ({"table": "kpi_value", "as_of": "2001-01-01"}, "the first one went up on"),
    ],
)
def test_errors_say_what_there_is(published: Settings, asked: dict[str, object], said: str) -> None:
    asked.setdefault("as_of", night(1))
    with pytest.raises((frames.NotReadable, NothingPublished), match=said):
        frames.read(settings=published, **asked)  # type: ignore[arg-type]


def test_a_file_that_was_altered_is_not_read(published: Settings) -> None:
    path: Path = published.releases / "2" / "SAMPLE_kpi_value.parquet"
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    try:
        with pytest.raises(NoLongerWhatItWas):
            frames.read("kpi_value", as_of=night(1), settings=published)
    finally:
        path.write_bytes(content)
