"""What is a division's own, and the logins with which divisions look at it (decision 0033).

A delivery belongs to the division that answers for its data set; a hand-in of a register that several fill in, to the
one in its name. The policies of the database read that from ops.division_data, which is kept from the contracts here.
Divisions go by the code of the reviewed list of divisions: a code survives a new name, and is safe in a role's.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cityperf import postgres
from cityperf.config import DivisionLogin, Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.handin import division_key
from cityperf.sources import DIVISIONS, Contract, is_private

log = logging.getLogger(__name__)

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{0,15}")
_OWN: Final = "select dataset, division, file_key, is_withheld from ops.division_data"


class UnknownDivision(CityperfError):
    """No division of that name has a data set here."""


@dataclass(frozen=True, order=True)
class Share:
    """What of a data set is a division's (its code): all of it, or the files with `file_key` in their name."""

    dataset: str
    division: str
    file_key: str
    is_withheld: bool


@dataclass(frozen=True)
class Division:
    """A division with data sets here; `has_login` says whether it was given one."""

    code: str
    name: str
    login: DivisionLogin
    has_login: bool
    data_sets: tuple[str, ...]


@cache
def _listed(path: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Code by any name that a division goes or went by (as file names have it), and name by code."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = {row["division_code"]: row["name_as_found"] for row in rows if row["name_role"] == "current"}
    wrong = [code for code in names if not _CODE.fullmatch(code)]
    if wrong:
        raise CityperfError(
            f"expected codes of capital letters and digits in {path.name}, found {', '.join(wrong)}"
        )
    codes = {division_key(row["name_as_found"]): row["division_code"] for row in rows}
    return codes, names


def shares(contracts: Mapping[str, Contract]) -> set[Share]:
    """What is whose. A data set of somebody who is no division of the City, such as a bank, is no division's."""
    codes, _ = _listed(DIVISIONS)
    found = set()
    for contract in contracts.values():
        hands_in = contract.register.divisions if contract.register else ()
        several = len(hands_in) > 1
        for name in hands_in or (contract.owner.division,):
            key = division_key(name)
            if code := codes.get(key):
                found.add(Share(contract.dataset, code, key if several else "", is_private(contract)))
    return found


def keep(settings: Settings, contracts: Mapping[str, Contract]) -> list[DivisionLogin]:
    """Bring ops.division_data to what the contracts say; returns the logins that were taken away, because no contract
    names their division any more. Writes nothing where nothing changed."""
    wanted = shares(contracts)
    with connect(settings, "loader") as db:
        if {Share(*row) for row in db.execute(_OWN)} != wanted:
            db.execute("lock table ops.division_data in share row exclusive mode")
            db.execute("delete from ops.division_data")
            db.cursor().executemany(
                "insert into ops.division_data (dataset, division, file_key, is_withheld) values (%s, %s, %s, %s)",
                [(each.dataset, each.division, each.file_key, each.is_withheld) for each in sorted(wanted)],
            )
        lost = db.execute(
            "select role_name from ops.division_login where division not in (select division from ops.division_data)"
        ).fetchall()
    gone = []
    for (name,) in lost:
        try:
            postgres.drop_login(settings, DivisionLogin(name))
            gone.append(DivisionLogin(name))
        except postgres.PostgresError as problem:
            # Its rows are closed to it already: no reason to stop a night.
            log.warning("%s is no division's login any more, and is tried again next time: %s", name, problem)
    return gone


def divisions(settings: Settings) -> list[Division]:
    """The divisions that have data sets here, by name."""
    _, names = _listed(DIVISIONS)
    with connect(settings, "loader") as db:
        rows: list[tuple[Any, ...]] = db.execute(
            "select d.division, l.role_name is not null, array_agg(distinct d.dataset order by d.dataset) "
            "from ops.division_data as d left join ops.division_login as l on d.division = l.division group by 1, 2"
        ).fetchall()
    found = [
        Division(code, names.get(code, code), login_of(settings, code), has_login, tuple(data_sets))
        for code, has_login, data_sets in rows
    ]
    return sorted(found, key=lambda each: each.name)


def login_of(settings: Settings, code: str) -> DivisionLogin:
    """The name of a division's role: one for each profile, as several may be on one server."""
    return DivisionLogin(f"division_{settings.profile}_{code.lower()}")


def named(settings: Settings, name: str) -> Division:
    """The division that goes or went by this name or has this code; raises UnknownDivision with those there are."""
    codes, _ = _listed(DIVISIONS)
    code = codes.get(division_key(name), name.upper())
    found = divisions(settings)
    for each in found:
        if each.code == code:
            return each
    there = "; ".join(each.name for each in found) or "none: no contract names one"
    raise UnknownDivision(f"expected a division with data sets here, found {name!r}; there are {there}")


def give_login(settings: Settings, name: str) -> Division:
    """The division with its login, made if it was not there. Raises as `named` does, and PostgresError."""
    division = named(settings, name)
    postgres.ensure_login(settings, division.login, division.code)
    return division


def take_login(settings: Settings, name: str) -> tuple[Division, bool]:
    """Take the login of a division away; whether there was one. Raises as `named` does."""
    division = named(settings, name)
    return division, postgres.drop_login(settings, division.login)
