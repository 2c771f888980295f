"""What stands wrong on a night, one alert per cause, as `ops` has it.

A cause lasts until something was judged again and found well: a file that was refused is still refused on the next
night, when the source brought nothing, and a check of the last candidate still fails when none was built since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from cityperf.db import named_rows
from cityperf.notify.alert import RUNBOOK, TEAM, Alert, Kind
from cityperf.notify.radius import Lineage
from cityperf.quality.known import KnownIssue
from cityperf.sources import Contract

SOURCE: Final = "docs/runbooks/source.md"
EXAMPLES: Final = 3
# The last visit to each data set that brought something decides what is held of it.
_BROUGHT: Final = """
select s.night, s.dataset, s.state, coalesce(s.message, '') as message, s.rows_quarantined
from unnest(%(datasets)s::text[]) as d (dataset)
cross join lateral (
    select f.night from ops.fetch as f
    where f.dataset = d.dataset and f.night <= %(night)s and f.state in ('landed', 'refused')
    order by f.night desc limit 1
) as last
join ops.source_night as s on s.night = last.night and s.dataset = d.dataset
order by s.dataset
"""
_FINDINGS: Final = """
select night, border, check_name, subject, severity, status, message, owner, runbook from ops.check_result
where
    (border = 'freshness' and night = %(freshness)s)
    or (border = 'transform' and night = %(transform)s)
    or (border = 'publish' and night = %(publish)s)
    or (border = 'landing' and night = %(tonight)s)
    or (border = 'landing' and (night, subject) in (
        select * from unnest(%(nights)s::date[], %(datasets)s::text[])
    ))
order by border, subject, check_name, check_result_id
"""


@dataclass(frozen=True)
class Finding:
    """One row of ops.check_result."""

    night: date
    border: str
    check_name: str
    subject: str
    severity: str
    status: str
    message: str
    owner: str
    runbook: str


@dataclass(frozen=True)
class Held:
    """The release that was held back last, if nothing went up since, and why."""

    number: int
    night: date
    reason: str


@dataclass(frozen=True)
class Brought:
    """The last visit to a data set that brought something, and what became of that."""

    night: date
    dataset: str
    state: str
    message: str
    rows_quarantined: int


def brought(connection: Connection[Any], night: date, contracts: Mapping[str, Contract]) -> list[Brought]:
    """One for each data set that ever brought something up to `night`."""
    with connection.cursor(row_factory=class_row(Brought)) as cursor:
        return cursor.execute(_BROUGHT, {"night": night, "datasets": list(contracts)}).fetchall()


def findings(connection: Connection[Any], night: date, last: Iterable[Brought]) -> list[Finding]:
    """The results of each border's last judgement up to `night`: the gate's of the last candidate, landing's of what each
    data set brought last.
    """
    arguments: dict[str, Any] = {
        border: _value(
            connection,
            "select max(night) from ops.check_result where border = %s and night <= %s",
            border,
            night,
        )
        for border in ("freshness", "publish")
    }
    arguments["transform"] = _value(
        connection, "select max(night) from ops.model_run where model = '*' and night <= %s", night
    )
    visits = list(last)
    arguments |= {
        "datasets": [v.dataset for v in visits],
        "nights": [v.night for v in visits],
        "tonight": night,
    }
    with connection.cursor(row_factory=class_row(Finding)) as cursor:
        return cursor.execute(_FINDINGS, arguments).fetchall()


def causes(
    connection: Connection[Any],
    night: date,
    contracts: Mapping[str, Contract],
    last: Iterable[Brought],
    found: Sequence[Finding],
    issues: Iterable[KnownIssue],
    lineage: Lineage,
) -> list[Alert]:
    """Every cause but what did not run at all (`dead_man`) and what divisions owe (`handin.chase`)."""
    held = _held(connection, night)
    refused = set()
    alerts = _failed_night(connection, night, lineage)
    for row in named_rows(
        connection,
        "select dataset, state, coalesce(message, '') as message from ops.source_night "
        "where night = %(night)s and state in ('late', 'failed')",
        {"night": night},
    ):
        if row["dataset"] in contracts:
            kind: Kind = "late" if row["state"] == "late" else "blocked"
            words = "did not come" if kind == "late" else "could not be loaded"
            alerts.append(
                _of_source(contracts[row["dataset"]], kind, row["state"], words, row["message"], lineage)
            )
    for visit in last:
        contract, since = contracts[visit.dataset], _since(visit.night, night)
        if visit.state == "refused":
            refused.add(contract.dataset)
            alerts.append(
                _of_source(contract, "quarantined", "refused", "was refused", visit.message, lineage, since)
            )
        elif visit.rows_quarantined:
            words = f"{visit.rows_quarantined:,} rows are held in quarantine"
            alerts.append(_of_source(contract, "quarantined", "rows", words, "", lineage, since))
    alerts += _of_findings(night, found, refused, held is not None, lineage)
    if held:
        alerts.append(
            Alert(
                "blocked", "release_held", "release", f"release {held.number} is held back: {held.reason}", TEAM,
                "docs/runbooks/publish.md#a-release-is-held", lineage.everything, _since(held.night, night), pages=True,
            )
        )  # fmt: skip
    return [*alerts, *_restated(connection, night, lineage), *_expired(night, issues, found, lineage)]


def _failed_night(connection: Connection[Any], night: date, lineage: Lineage) -> list[Alert]:
    rows = named_rows(
        connection, "select coalesce(note, '') as note from ops.night where night = %(night)s and state = 'failed'",
        {"night": night},
    )  # fmt: skip
    return [
        Alert(
            "blocked", "night_failed", "night", f"the night failed: {row['note'] or 'no reason was written down'}",
            TEAM, "docs/runbooks/nightly_refresh.md#the-run-is-red", lineage.everything, pages=True,
        )
        for row in rows
    ]  # fmt: skip


def _of_source(
    contract: Contract,
    kind: Kind,
    check: str,
    words: str,
    message: str,
    lineage: Lineage,
    since: date | None = None,
) -> Alert:
    section = {"late": "late", "failed": "failed"}.get(check, "refused")
    told = f"{contract.dataset} {words}" if check != "rows" else f"{contract.dataset}: {words}"
    return Alert(
        kind, check, contract.dataset, f"{told}: {message}" if message else told, contract.owner.steward,
        f"{SOURCE}#{section}", lineage.of_dataset(contract.dataset), since,
    )  # fmt: skip


def _of_findings(
    night: date, found: Iterable[Finding], refused: set[str], is_held: bool, lineage: Lineage
) -> list[Alert]:
    """Results that did not pass, those of one check on one subject in one alert."""
    same: dict[tuple[str, str, str, str], list[Finding]] = defaultdict(list)
    for each in found:
        if each.status != "pass" and not (
            each.border == "landing" and each.status == "fail" and each.subject in refused
        ):
            same[each.border, each.status, each.check_name, each.subject].append(each)
    return [
        Alert(
            _kind(first, is_held), f"{first.border}.{first.check_name}", first.subject, first.message, first.owner,
            first.runbook,
            lineage.of_dataset(first.subject)
            if first.border in ("landing", "freshness")
            else lineage.of_model(first.subject),
            _since(first.night, night),
            more=max(len(group) - EXAMPLES, 0),
            examples=tuple(each.message for each in group[1:EXAMPLES]),
        )
        for first, group in ((group[0], group) for group in same.values())
    ]  # fmt: skip


def _kind(finding: Finding, is_held: bool) -> Kind:
    if finding.status in ("known", "warn"):
        return "known" if finding.status == "known" else "warning"
    if finding.border == "freshness":
        return "late"
    if finding.border == "landing":
        return "quarantined"
    # What failed at the gate and went up all the same, somebody looked at and approved.
    return "blocked" if finding.border == "transform" or is_held else "warning"


def _held(connection: Connection[Any], night: date) -> Held | None:
    rows = named_rows(
        connection,
        "select r.number, r.night, r.state, up.stale_reason from ops.release as r left join lateral ("
        "select stale_reason from ops.release where state = 'released' order by number desc limit 1) as up on true "
        "where r.state in ('released', 'held') and r.night <= %(night)s order by r.number desc limit 1",
        {"night": night},
    )
    if not rows or rows[0]["state"] != "held":
        return None
    number, told = (
        rows[0]["number"],
        rows[0]["stale_reason"] or "a check at the gate failed; nothing is up yet",
    )
    return Held(number, rows[0]["night"], told.removeprefix(f"release {number} is held back: "))


def _restated(connection: Connection[Any], night: date, lineage: Lineage) -> list[Alert]:
    """What the night's release changed of figures that were published before, by cause and owner."""
    groups: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    release = 0
    for row in named_rows(
        connection,
        "select r.number, s.kpi_id, s.cause, count(*) as figures from ops.release as r join ops.restatement as s "
        "using (number) where r.night = %(night)s and r.state = 'released' group by 1, 2, 3 order by 2",
        {"night": night},
    ):
        owner = lineage.stewards.get(row["kpi_id"], TEAM)
        groups[row["cause"], owner][row["kpi_id"]] = row["figures"]
        release = max(release, row["number"])
    return [
        Alert(
            "restated", cause.replace(" ", "_"), owner,
            f"release {release} restated {sum(kpis.values()):,} figures of {len(kpis)} KPIs ({cause}); "
            f"./cityperf release show {release} lists them",
            owner, f"{RUNBOOK}#restated", lineage.of_kpis(kpis),
        )
        for (cause, owner), kpis in sorted(groups.items())
    ]  # fmt: skip


def _expired(
    night: date, issues: Iterable[KnownIssue], found: Sequence[Finding], lineage: Lineage
) -> list[Alert]:
    """Entries of the register whose date has passed, with whether what they excused still happens."""
    alerts = []
    for issue in issues:
        if issue.expires >= night:
            continue
        still = [
            each for each in found
            if each.status != "pass" and each.check_name and _covers(issue, each)
        ]  # fmt: skip
        state = (
            "it still fails and counts again" if still else "it does not fail any more: take the entry out"
        )
        radius = lineage.of_datasets({each.subject for each in still})
        for each in still:
            radius = radius if radius.size else lineage.of_model(each.subject)
        alerts.append(
            Alert(
                "expired", issue.check, issue.scope,
                f"the known issue {issue.check} on {issue.scope} ended on {issue.expires}: {state} ({issue.reason})",
                issue.owner, "docs/runbooks/publish.md#known-issues", radius, mild=not still,
            )
        )  # fmt: skip
    return alerts


def _covers(issue: KnownIssue, finding: Finding) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(finding.check_name, issue.check) and fnmatchcase(finding.subject, issue.scope)


def _since(first: date, night: date) -> date | None:
    return None if first == night else first


def _value(connection: Connection[Any], query: LiteralString, *arguments: Any) -> Any:
    row = connection.execute(query, arguments).fetchone()
    return row[0] if row else None
