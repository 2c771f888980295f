"""Who is in, on a real registry: a load that is going to be tried again has not failed yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from cityperf import night
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.load import load_file
from psycopg.types.json import Jsonb

from tests.integration.publisher import NIGHT, contract, land, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
TARGETS = contract("dashboard_targets")  # a data set that the night expects, with columns of the test's own
CONTENT = b"id,station,minutes\n1,BATHURST,5\n"


def visit(settings: Settings, *files: int) -> None:
    """The night is opened and a visit of the source asks for these files, as `extract` writes it down."""
    night.request(settings, NIGHT)
    with connect(settings, "loader") as connection:
        connection.execute("delete from ops.fetch where night = %s", (NIGHT,))
        connection.execute(
            "insert into ops.fetch (night, dataset, state, files) values (%s, %s, 'landed', %s)",
            (NIGHT, TARGETS.dataset, Jsonb(list(files))),
        )


def fail(settings: Settings, file_id: int) -> None:
    def database_goes_away(*_: object) -> list[Any]:
        raise psycopg.OperationalError("the connection was lost")

    with pytest.raises(psycopg.OperationalError):
        load_file(settings, NIGHT, TARGETS, file_id, gate=database_goes_away)


def state(settings: Settings, query: Query) -> str:
    ((now,),) = query("select now()")
    return night.who_is_in(settings, NIGHT, now).states[TARGETS.dataset]  # type: ignore[arg-type]


def test_a_load_that_failed_is_waited_for_until_its_last_attempt(
    clean_warehouse: Settings, query: Query
) -> None:
    file_id = land(clean_warehouse, TARGETS, CONTENT)
    visit(clean_warehouse, file_id)
    seen = []
    for _ in range(night.LOAD_ATTEMPTS):
        fail(clean_warehouse, file_id)
        seen.append(state(clean_warehouse, query))
    assert seen == ["loading"] * (night.LOAD_ATTEMPTS - 1) + ["failed"]


def test_a_second_attempt_that_succeeds_brings_the_source_in(clean_warehouse: Settings, query: Query) -> None:
    file_id = land(clean_warehouse, TARGETS, CONTENT)
    visit(clean_warehouse, file_id)
    fail(clean_warehouse, file_id)
    load_file(clean_warehouse, NIGHT, TARGETS, file_id, gate=open_gate)
    assert state(clean_warehouse, query) == "loaded"


def test_a_night_that_is_repeated_waits_for_what_failed_in_it_before(
    clean_warehouse: Settings, query: Query
) -> None:
    given_up = land(clean_warehouse, TARGETS, CONTENT)
    visit(clean_warehouse, given_up)
    for _ in range(night.LOAD_ATTEMPTS):
        fail(clean_warehouse, given_up)
    visit(clean_warehouse, given_up)
    assert state(clean_warehouse, query) == "loading"


def test_one_file_without_attempts_left_does_not_hide_another_that_has_some(
    clean_warehouse: Settings, query: Query
) -> None:
    first, second = (
        land(clean_warehouse, TARGETS, CONTENT + extra, name)
        for extra, name in ((b"2,A,1\n", "a"), (b"3,B,1\n", "b"))
    )
    visit(clean_warehouse, first, second)
    for _ in range(night.LOAD_ATTEMPTS):
        fail(clean_warehouse, first)
    fail(clean_warehouse, second)
    assert state(clean_warehouse, query) == "loading"
    load_file(clean_warehouse, NIGHT, TARGETS, second, gate=open_gate)
    assert state(clean_warehouse, query) == "failed"
