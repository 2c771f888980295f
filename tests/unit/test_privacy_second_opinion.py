"""Tau-Argus on the same tables: does it find the same small cells, and does it hide fewer?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cityperf.privacy.judge import judge

from tests.disclosure import broken, crossed


def test_tau_argus_finds_the_same_small_cells_and_hides_no_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its engine writes logs beside whatever runs
    from tests.tau_argus import TauArgus, lines

    random, ours, theirs = np.random.default_rng(53), 0, 0
    for _ in range(20):
        shape = crossed(random, [int(size) for size in random.integers(2, 7, 2)])
        opinion = TauArgus(shape)
        judged = judge(shape.told, shape.rows, b"k" * 32)
        hidden = frozenset(cell for cell, each in judged.items() if each.reason is not None)
        assert {cell for cell, each in judged.items() if each.reason == "primary"} == opinion.primary
        assert broken(shape, frozenset(opinion.hidden)) == [], "what it hides is safe by our rule"
        assert all(len(line & hidden) != 1 for line in lines(shape))
        ours, theirs = ours + len(hidden), theirs + len(opinion.hidden)
    assert ours <= theirs * 1.1
