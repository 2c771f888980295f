"""The reviewed file of periods: everything has one, with a reason, and none is shorter than what others rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cityperf.errors import CityperfError
from cityperf.housekeeping import PERIODS, RULES, read_periods
from cityperf.load.backfill import KEPT_FOR


def test_every_rule_has_a_period_that_it_can_use() -> None:
    periods = read_periods()
    assert all(periods[what].days or what == "persons" for what in RULES)
    assert periods["replaced_partitions"].days == KEPT_FOR.days  # what `backfill` promises to keep


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("keep: 400 days", "keep: a while", "keep"),
        ("what: digests", "what: persons", "persons"),
        ("what: digests", "what: everything", "what"),
        ("- what: releases\n  keep: always", "- what: releases\n  keep: 30 days", "kept always"),
        ("keep: contract", "keep: 30 days", "persons"),
        (
            "- what: digests\n  keep: 400 days\n  why: A year's digests are compared with the year before.\n",
            "",
            "digests",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(was: str, becomes: str, said: str, tmp_path: Path) -> None:
    text = PERIODS.read_text()
    assert was in text
    (tmp_path / "retention.yml").write_text(text.replace(was, becomes, 1))
    with pytest.raises(CityperfError, match=said):
        read_periods(tmp_path / "retention.yml")
