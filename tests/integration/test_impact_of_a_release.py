"""`./cityperf impact` asks a real release for the commit that it was built from."""

from __future__ import annotations

import pytest
from cityperf.cli.impact import _released
from cityperf.config import Settings
from cityperf.errors import CityperfError
from cityperf.publish import ledger

from tests.integration.candidate import NIGHT, write_manifest
from tests.integration.trust import put_up


def test_a_release_names_the_commit_that_its_models_are_compared_with(clean_warehouse: Settings) -> None:
    with pytest.raises(CityperfError, match="expected a release that is up, found none; --against REF"):
        _released(clean_warehouse)
    write_manifest(clean_warehouse)
    number = put_up(clean_warehouse).number
    _, _, commit = ledger.code_version().partition("+")
    if commit:  # in a clone
        assert _released(clean_warehouse) == (commit, f"release {number}, night {NIGHT}, commit {commit}")
    else:
        with pytest.raises(CityperfError, match="which was no clone"):
            _released(clean_warehouse)
