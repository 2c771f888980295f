"""Checks explain themselves, have an owner and a way to mend them, and known issues end."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cityperf.config import ROOT
from cityperf.publish.tables import Column, Table
from cityperf.quality import known
from cityperf.quality.freshness import in_words
from cityperf.quality.gate import TABLES, Candidate, publish_rules
from cityperf.quality.known import KnownIssue, KnownIssueError, apply_known, read_known_issues
from cityperf.quality.landing import Earlier, landing_rules
from cityperf.quality.results import CheckResult, Gate, Rule, result_of, with_history, worst_first
from cityperf.quality.suites import SUITES, _found, modules, sql_rule
from cityperf.sources import load_contracts
from cityperf.transform import Freshness

NIGHT = date(2024, 3, 15)
EARLIER = Earlier(100, "the delivery before", 70, 161, "_file_id = 1", ("2024-01", "2024-02"))


def table(name: str, *columns: str) -> Table:
    return Table("publish", name, tuple(Column(c, "text", False) for c in columns), columns[:1])


def full_candidate(profile: str = "live") -> Candidate:
    """One for which every rule there is applies."""
    values = ("kpi_id", "kpi_version", "geography_type", "geography_code", "period_start", "vintage")
    there = {name: table(name, *(values if name == "kpi_value" else ("kpi_id", "x"))) for name in TABLES}
    return Candidate(
        night=NIGHT,
        profile=profile,
        number=7,
        tables=there,
        live=there,
        live_rows=dict.fromkeys(TABLES, 100),
        unlicensed=frozenset({"mbncanada_results"}),
    )


def every_rule() -> list[tuple[str, Rule]]:
    found = []
    for dataset, contract in load_contracts().items():
        found += [(dataset, r) for r in landing_rules(contract, NIGHT, EARLIER)]
    for name, rules in publish_rules(full_candidate()).items():
        found += [(name, r) for r in rules]
    return found


def anchors(path: Path) -> set[str]:
    """Section anchors as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize(("subject", "rule"), every_rule(), ids=lambda v: getattr(v, "check", v))
def test_every_check_has_severity_owner_runbook_and_a_message_that_says_expected_and_found(
    subject: str, rule: Rule
) -> None:
    assert rule.severity in ("block", "warn", "info")
    assert rule.owner.strip()
    file, section = rule.runbook.split("#")
    assert section in anchors(ROOT / "docs" / "runbooks" / file)
    assert len(rule.expected) > 3
    assert len(rule.remedy) > 10
    assert "could not" not in rule.expected
    result = result_of(rule, "landing", "suite", subject, False, "something else")
    assert result.location
    assert f"in {result.location}" in result.message
    assert f"expected {rule.expected}, found something else" in result.message
    assert result.message.endswith(rule.remedy)
    assert result.runbook == f"docs/runbooks/{rule.runbook}"
    assert result.status == ("fail" if rule.severity == "block" else "warn")


def test_check_names_are_unique_within_a_suite() -> None:
    seen = [(subject, rule.check) for subject, rule in every_rule()]
    assert len(seen) == len(set(seen))


def test_every_expectation_is_one_that_great_expectations_knows() -> None:
    source = (Path(sys.prefix) / "lib").rglob("great_expectations/expectations/core/__init__.py")
    known_names = set(re.findall(r"\b(Expect\w+|UnexpectedRowsExpectation)\b", next(source).read_text()))
    assert {rule.expectation for _, rule in every_rule()} <= known_names


def test_the_quantile_expectation_that_breaks_storing_results_is_not_used() -> None:
    assert "ExpectColumnQuantileValuesToBeBetween" not in {rule.expectation for _, rule in every_rule()}


def test_every_suite_module_belongs_to_a_data_set_or_a_publish_table() -> None:
    assert set(modules("landing")) <= set(load_contracts())
    assert set(modules("publish")) <= set(TABLES)


def test_every_publish_table_has_a_suite_of_its_own() -> None:
    assert set(modules("publish")) == set(TABLES)


def test_the_contract_becomes_checks() -> None:
    contract = load_contracts()["dashboard_measures"]
    checks = {rule.check: rule for rule in landing_rules(contract, NIGHT)}
    assert checks["allowed.interval_type"].arguments["value_set"] == ["m", "q", "s", "y"]
    assert checks["required.measure_id"].severity == "block"
    assert '"measure_id", "year", "period"' in checks["key_unique"].arguments["unexpected_rows_query"]
    assert "row_count" not in checks  # nothing to compare the first delivery with
    assert "control_total" in {r.check for r in landing_rules(load_contracts()["operating_budget"], NIGHT)}


def test_an_optional_column_may_be_missing() -> None:
    contract = load_contracts()["ttc_subway_delays"]
    present = next(r for r in landing_rules(contract, NIGHT) if r.check == "columns_present")
    assert "source_id" not in present.arguments["column_set"]
    assert "min_delay" in present.arguments["column_set"]


def test_figures_may_only_grow_while_other_tables_may_lose_a_fifth() -> None:
    rules = publish_rules(full_candidate())
    fewest = {
        name: next(r for r in rules[name] if r.check == "row_count").arguments["min_value"] for name in TABLES
    }
    assert fewest["kpi_value"] == 100
    assert fewest["kpi_comparison"] == 80


def test_unlicensed_rows_block_in_live_and_nowhere_else() -> None:
    for profile, expected in (("live", True), ("replay", False), ("sample", False)):
        checks = {r.check for r in publish_rules(full_candidate(profile))["benchmark"]}
        assert ("unlicensed_is_empty" in checks) is expected


def test_a_query_without_a_join_is_left_to_great_expectations_to_alias() -> None:
    assert sql_rule("select 1 from t")["unexpected_rows_query"].startswith(
        "with t as (select * from {batch}) select"
    )
    assert "{batch} as given" in sql_rule("select 1 from t join x using (a)")["unexpected_rows_query"]


def test_importing_the_rules_does_not_import_great_expectations() -> None:
    code = (
        "import sys; from cityperf.quality import *; from cityperf.quality.gate import Candidate; from "
        "datetime import date\n"
        "publish_rules(Candidate(date(2024, 3, 15), 'live')); assert 'great_expectations' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# -- what a check found
# ---------------------------------------------------------------------------------------
class Outcome:
    """The part of an expectation's result that is read."""

    def __init__(self, result: dict[str, object], success: bool = False, exception: object = None) -> None:
        self.result, self.success, self.exception_info = result, success, exception


def a_rule(
    check: str = "x", severity: str = "block", expectation: str = "ExpectColumnValuesToNotBeNull"
) -> Rule:
    return Rule(check, expectation, {}, severity, "Owner", "landing.md#rows", "one thing", "do another thing")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expectation", "result", "says"),
    [
        (
            "E",
            {"unexpected_count": 2, "element_count": 7518, "partial_unexpected_list": ["w", "w"]},
            "2 of 7,518 rows otherwise, such as 'w'",
        ),
        ("E", {"unexpected_count": 0, "element_count": 7518}, "all of 7,518 rows as expected"),
        ("E", {"observed_value": 12345}, "12,345"),
        (
            "E",
            {
                "observed_value": ["a"],
                "details": {"mismatched": {"missing": ["b", "c"], "unexpected": ["z"]}},
            },
            "no b, c",
        ),
        (
            "UnexpectedRowsExpectation",
            {
                "observed_value": 2,
                "details": {"unexpected_rows": [{"kpi_id": "1.10", "_row": 3, "status": None}]},
            },
            "2 rows, such as kpi_id 1.10, status (none)",
        ),
    ],
)
def test_found_says_how_many_and_gives_an_example(
    expectation: str, result: dict[str, object], says: str
) -> None:
    assert _found(a_rule(expectation=expectation), Outcome(result)) == says


def test_a_check_that_cannot_be_evaluated_says_why() -> None:
    nested = {"('metric',)": {"raised_exception": True, "exception_message": "column x is missing\nand more"}}
    assert (
        _found(a_rule(), Outcome({}, exception=nested))
        == "that it could not be checked (column x is missing)"
    )


class Told:
    """A connection on which two earlier nights of one check are written down."""

    asked = 0

    def execute(self, query: str, arguments: object) -> list[tuple[object, ...]]:
        self.asked += 1
        return [
            ("s", "operating_budget", "key_unique", NIGHT - timedelta(days=n), "pass", "no such row")
            for n in (1, 2)
        ]


def test_a_failure_stands_beside_what_the_same_check_found_before() -> None:
    connection = Told()
    first, second = with_history(connection, NIGHT, [failing(), failing("row_count")])  # type: ignore[arg-type]
    assert first.message.endswith("before: 2024-03-14 pass (no such row), 2024-03-13 pass (no such row)")
    assert second.message.endswith("before: never checked")
    assert connection.asked == 1
    passed = result_of(a_rule(), "landing", "s", "operating_budget", True, "one")
    assert with_history(connection, NIGHT, [passed]) == [passed]  # type: ignore[arg-type]
    assert connection.asked == 1, "nothing failed, nothing is asked"


# -- known issues
# ---------------------------------------------------------------------------------------------
def failing(
    check: str = "key_unique", subject: str = "operating_budget", severity: str = "block"
) -> CheckResult:
    return result_of(a_rule(check, severity), "landing", "s", subject, False, "two")


def issue(**more: object) -> KnownIssue:
    fields = {
        "check": "key_unique",
        "scope": "operating_budget",
        "reason": "the 2019 file repeats a page",
        "owner": "Budget Office",
        "expires": NIGHT,
    }
    return KnownIssue(**{**fields, **more})  # type: ignore[arg-type]


def test_a_known_issue_turns_a_failure_amber_and_it_no_longer_blocks() -> None:
    [judged] = apply_known([failing()], [issue()], NIGHT)
    assert judged.status == "known"
    assert not judged.blocks
    assert "the 2019 file repeats a page" in judged.message
    assert Gate(ok=True, results=[judged]).blocking == []


def test_an_expired_known_issue_counts_again_and_says_so() -> None:
    [judged] = apply_known([failing()], [issue(expires=NIGHT - timedelta(days=1))], NIGHT)
    assert judged.status == "fail"
    assert judged.blocks
    assert "counts again" in judged.message


@pytest.mark.parametrize(
    ("check", "scope", "covered"),
    [
        ("key_unique", "operating_budget", True),
        ("key_*", "*", True),
        ("key_unique", "kpi", False),
        ("required.*", "operating_budget", False),
    ],
)
def test_a_known_issue_covers_its_check_and_scope_only(check: str, scope: str, covered: bool) -> None:
    [judged] = apply_known([failing()], [issue(check=check, scope=scope)], NIGHT)
    assert (judged.status == "known") is covered


def test_a_known_issue_never_touches_what_passes() -> None:
    passed = result_of(a_rule("key_unique"), "landing", "s", "operating_budget", True, "one")
    assert apply_known([passed], [issue()], NIGHT) == [passed]


def test_the_register_of_known_issues_is_well_formed() -> None:
    assert isinstance(read_known_issues(), list)


@pytest.mark.parametrize(
    "text",
    [
        "- {check: a, scope: b, reason: c, owner: d}",
        "- {check: a, scope: b, reason: '', owner: d, expires: 2026-01-01}",
        "- {check: a, scope: b, reason: c, owner: d, expires: soon}",
        "- {check: a, scope: b, reason: c, owner: d, expires: 2026-01-01, colour: red}",
        "- just text",
    ],
)
def test_a_known_issue_without_reason_owner_or_expiry_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known_issues.yml"
    path.write_text(text)
    with pytest.raises(KnownIssueError, match=r"expected .*, found .*, in known_issues.yml entry 1"):
        read_known_issues(path)


def test_the_register_stands_where_the_checks_look() -> None:
    assert known.REGISTER == SUITES / "known_issues.yml"
    assert known.REGISTER.exists()


# -- freshness
# ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verdict", "status"), [("pass", "pass"), ("warn", "warn"), ("error", "fail"), ("runtime error", "fail")]
)
def test_freshness_never_blocks_whatever_dbt_says(verdict: str, status: str) -> None:
    contract = load_contracts()["dashboard_measures"]
    result = in_words(contract, Freshness(verdict, NIGHT - timedelta(days=5), "no such table"), NIGHT)
    assert (result.status, result.severity, result.blocks) == (status, "warn", False)
    assert ("no such table" if verdict == "runtime error" else "5 days ago") in result.message


def test_a_source_that_never_came_says_so() -> None:
    contract = load_contracts()["dashboard_measures"]
    assert in_words(contract, Freshness("error", None, None), NIGHT).found == "none so far"
    left_out = in_words(contract, Freshness("pass", NIGHT, None), NIGHT, listed=False)
    assert (left_out.status, left_out.found) == ("pass", "that tonight's replay does not list it")


def test_the_freshness_runbook_exists() -> None:
    result = in_words(load_contracts()["dashboard_measures"], Freshness("error", None, None), NIGHT)
    file, section = result.runbook.removeprefix("docs/runbooks/").split("#")
    assert section in anchors(ROOT / "docs" / "runbooks" / file)


def test_results_are_listed_worst_first() -> None:
    results = [replace(failing(), status=s) for s in ("pass", "known", "warn", "fail")]  # type: ignore[arg-type]
    assert [r.status for r in worst_first(results)] == ["fail", "warn", "known", "pass"]
