"""Evidence for the practices that the What Works Cities Certification asks a city to show, worked out from a release.

Each statement is a count over tables of the release, or over its allow-list, with the tables that it comes from; none
is written by hand. A statement whose tables the release lacks is left out and named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from cityperf.publish.dictionary import Dictionary
from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.publish.tables import Table

EVIDENCE: Final = ("evidence.json", "evidence.md")

CRITERIA: Final = {
    "inventory": "Data inventory",
    "quality": "Quality audits",
    "privacy": "Privacy and security practice",
    "disaggregated": "Disaggregated data",
    "service": "Service standards",
    "progress": "Public progress",
}


@dataclass(frozen=True)
class Measure:
    """A count, or a part of a whole: the query gives one row with one or two integers."""

    criterion: str
    text: str  # with {part} and, for a share, {whole} and {percent}
    tables: tuple[str, ...]
    query: str  # tables as {name}


@dataclass(frozen=True)
class Statement:
    """What a release proves. `whole` and `share` (0 to 1, four digits) are None for a plain count."""

    criterion: str
    text: str
    part: int
    whole: int | None
    share: float | None
    tables: tuple[str, ...]


MEASURES: Final = (
    Measure(
        "inventory",
        "{part} of {whole} current divisions ({percent} %) have a data set in the inventory",
        ("organisation", "data_quality"),
        "select count(distinct o.division_code) filter (where d.owner is not null), count(distinct o.division_code) "
        "from {organisation} as o left join {data_quality} as d on d.owner = o.organisation_name "
        "where o.kind = 'division' and o.division_code in "
        "(select c.division_code from {organisation} as c where c.is_current_name)",
    ),
    Measure(
        "inventory",
        "{part} of {whole} organisations of the City ({percent} %), agencies and offices included, have a data set "
        "in the inventory",
        ("organisation", "data_quality"),
        "select count(distinct o.division_code) filter (where d.owner is not null), count(distinct o.division_code) "
        "from {organisation} as o left join {data_quality} as d on d.owner = o.organisation_name "
        "where o.division_code in (select c.division_code from {organisation} as c where c.is_current_name)",
    ),
    Measure(
        "inventory",
        "{part} of {whole} data sets ({percent} %) name the licence they come under",
        ("data_quality",),
        "select count(licence), count(*) from {data_quality}",
    ),
    Measure(
        "inventory",
        "{part} of {whole} published tables ({percent} %) name an owner and have a description in the catalogue",
        ("catalogue",),
        "select count(*) filter (where owner <> '' and description <> ''), count(*) from {catalogue}",
    ),
    Measure(
        "quality",
        "{part} of {whole} data sets ({percent} %) were audited by at least one check",
        ("data_quality",),
        "select count(*) filter (where checks_passed + checks_warned + checks_failed > 0), count(*) from {data_quality}",
    ),
    Measure(
        "quality",
        "{part} of {whole} checks ({percent} %) passed when their data sets were last delivered",
        ("data_quality",),
        "select coalesce(sum(checks_passed), 0), coalesce(sum(checks_passed + checks_warned + checks_failed), 0) "
        "from {data_quality}",
    ),
    Measure(
        "quality",
        "{part} of {whole} data sets ({percent} %) were fresh",
        ("data_quality",),
        "select count(*) filter (where freshness_state = 'fresh'), count(*) from {data_quality}",
    ),
    Measure(
        "quality",
        "{part} rows broke their contract and were kept out of the figures, in quarantine",
        ("data_quality",),
        "select coalesce(sum(rows_quarantined), 0) from {data_quality}",
    ),
    Measure(
        "quality",
        "{part} of {whole} graded resources and data sets ({percent} %) have the grade Gold",
        ("quality_grade",),
        "select count(*) filter (where grade = 'Gold'), count(grade) from {quality_grade}",
    ),
    Measure(
        "privacy",
        "{part} of {whole} data sets ({percent} %) have a reviewed privacy class",
        ("data_quality",),
        "select count(privacy_class), count(*) from {data_quality}",
    ),
    Measure(
        "privacy",
        "{part} data sets are about persons: sealed where they land, personal columns left behind",
        ("data_quality",),
        "select count(*) filter (where privacy_class = 'person_level') from {data_quality}",
    ),
    Measure(
        "privacy",
        "{part} of {whole} published counts of persons ({percent} %) are hidden, because they are small or would "
        "tell a small one",
        ("suppression_log",),
        "select coalesce(sum(hidden), 0), coalesce(sum(cells), 0) from {suppression_log}",
    ),
    Measure(
        "disaggregated",
        "{part} of {whole} KPIs with figures ({percent} %) have them for parts of the city too",
        ("kpi_value",),
        "select count(distinct kpi_id) filter (where geography_type <> 'city'), count(distinct kpi_id) "
        "from {kpi_value} where value is not null and not is_withdrawn",
    ),
    Measure(
        "disaggregated",
        "{part} kinds of areas and groups have figures of their own beside the city as a whole",
        ("kpi_value",),
        "select count(distinct geography_type) from {kpi_value} "
        "where geography_type <> 'city' and value is not null and not is_withdrawn",
    ),
    Measure(
        "disaggregated",
        "{part} of {whole} KPIs with figures ({percent} %) are compared between improvement areas and all others",
        ("equity_cut", "kpi_value"),
        "select (select count(distinct kpi_id) from {equity_cut}), count(distinct kpi_id) from {kpi_value} "
        "where value is not null and not is_withdrawn",
    ),
    Measure(
        "service",
        "{part} of {whole} active KPIs ({percent} %) have a target",
        ("kpi",),
        "select count(*) filter (where coalesce(target_value, target_low, target_high) is not null), count(*) "
        "from {kpi} where is_active",
    ),
    Measure(
        "service",
        "{part} of {whole} judged requests ({percent} %) were answered within the standard",
        ("request_response",),
        "select coalesce(sum(within_standard), 0), coalesce(sum(judged), 0) from {request_response} "
        "where division = 'All divisions' and request_type = 'All types'",
    ),
    Measure(
        "progress",
        "{part} of {whole} active KPIs ({percent} %) have a published figure",
        ("kpi", "kpi_value"),
        "select count(*) filter (where exists (select from {kpi_value} as v where v.kpi_id = k.kpi_id "
        "and v.value is not null and not v.is_withdrawn)), count(*) from {kpi} as k where k.is_active",
    ),
    Measure(
        "progress",
        "{part} of {whole} KPIs with figures ({percent} %) can be walked back to the landed file with its hash",
        ("kpi_value", "provenance"),
        "select count(distinct v.kpi_id) filter (where p.subject is not null), count(distinct v.kpi_id) "
        "from (select distinct kpi_id from {kpi_value}) as v "
        "left join (select distinct subject from {provenance} where subject_type = 'kpi') as p on p.subject = v.kpi_id",
    ),
    Measure(
        "progress",
        "{part} of {whole} commitments ({percent} %) are completed",
        ("commitment",),
        "select count(*) filter (where status = 'completed'), count(*) from {commitment} "
        "where not coalesce(is_removed, false)",
    ),
    Measure(
        "progress",
        "{part} changes of published figures are listed with their cause",
        ("restatement",),
        "select count(*) from {restatement}",
    ),
)


def statements(
    connection: Connection[Any], candidate: Mapping[str, Table], dictionary: Dictionary
) -> tuple[list[Statement], list[str]]:
    """(what the release proves, tables whose absence left something out)."""
    found: list[Statement] = []
    missing: set[str] = set()
    for measure in MEASURES:
        lacks = [name for name in measure.tables if name not in candidate]
        if lacks:
            missing.update(lacks)
            continue
        query = sql.SQL(measure.query).format(  # constants of this module
            **{name: candidate[name].identifier for name in measure.tables}
        )
        row = connection.execute(query).fetchone() or (0,)
        found.append(
            _statement(measure.criterion, measure.text, measure.tables, *(int(each) for each in row))
        )
    found += _allow_list(candidate, dictionary)
    place = list(CRITERIA)
    return sorted(found, key=lambda each: place.index(each.criterion)), sorted(missing)


def _allow_list(candidate: Mapping[str, Table], dictionary: Dictionary) -> Iterator[Statement]:
    out = dictionary.allowed
    columns = sum(len(table.columns) for name, table in candidate.items() if name in out)
    yield _statement(
        "inventory",
        "{part} published tables are offered as files, each with a licence, a contact and the meaning of every column",
        (),
        sum(1 for each in out.values() if each.licences and each.email and all(each.columns.values())),
    )
    yield _statement(
        "privacy",
        "{part} of {whole} columns ({percent} %) of these tables are on the allow-list of what may leave",
        (),
        sum(len(each.columns) for each in out.values()),
        columns,
    )
    yield _statement(
        "privacy",
        "{part} tables stay inside because a source of theirs has no licence",
        (),
        len(dictionary.refused),
    )


def _statement(
    criterion: str, text: str, tables: tuple[str, ...], part: int, whole: int | None = None
) -> Statement:
    share = round(part / whole, 4) if whole else None
    percent = "–" if share is None else f"{100 * share:.1f}"
    said = text.format(part=f"{part:,}", whole=f"{whole or 0:,}", percent=percent)
    return Statement(criterion, said, part, whole, share, tables)


def as_json(found: list[Statement], missing: list[str], number: int, night: date, *, sample: bool) -> str:
    """The statements as JSON, in the order of the criteria."""
    said: dict[str, Any] = {"release": number, "night": night.isoformat()}
    if sample:
        said["sample"] = SAMPLE_NOTICE
    said |= {
        "criteria": {
            key: {"title": title, "statements": [asdict(each) for each in found if each.criterion == key]}
            for key, title in CRITERIA.items()
        },
        "not_shown_for_lack_of_tables": missing,
    }
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def as_markdown(found: list[Statement], missing: list[str], number: int, night: date, *, sample: bool) -> str:
    """The same for people."""
    lines = [f"# Evidence from release {number}", ""]
    if sample:
        lines += [f"**{SAMPLE_NOTICE}.**", ""]
    lines += [
        f"Night of {night.isoformat()} (Toronto). Every number is counted from the tables of this release, which are "
        "named beside it; the criteria follow the What Works Cities Certification.",
    ]
    for key, title in CRITERIA.items():
        lines += ["", f"## {title}", ""]
        lines += [
            f"- {each.text}." + (f" ({', '.join(f'`{t}`' for t in each.tables)})" if each.tables else "")
            for each in found
            if each.criterion == key
        ]
    if missing:
        lines += ["", f"Not shown, for lack of tables: {', '.join(f'`{each}`' for each in missing)}."]
    return "\n".join([*lines, ""])
