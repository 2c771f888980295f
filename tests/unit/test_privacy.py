"""Disclosure control: what is hidden, what a reader can work out, and what published figures give away."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import yaml
from cityperf.config import ROOT
from cityperf.privacy import judge as judging
from cityperf.privacy.audit import EXPECTED
from cityperf.privacy.bounds import Impossible, Interval, attack, unsafe
from cityperf.privacy.classes import read_classes
from cityperf.privacy.geography import splits
from cityperf.privacy.history import Past, Seen
from cityperf.privacy.judge import Judged, judge
from cityperf.privacy.problem import FAR, Problem, Relation, total_of
from cityperf.privacy.rounding import draw, of_below, of_nearest, of_random, random_round, tag
from cityperf.privacy.spec import BadDeclaration, declared
from cityperf.privacy.tables import Cell, Row
from cityperf.sources import load_contracts

from tests.disclosure import ALL, KINDS, Shape, broken, declare, key, shapes

KEY = b"k" * 32
LINE = {"a": 3, "b": 20, "c": 30, ALL: 53}


def line(counts: dict[str, int]) -> list[Row]:
    return [Row(key(group=group), {"persons": count}) for group, count in counts.items()]


def hidden(judged: dict[Cell, Judged]) -> set[str]:
    """Groups of a line that are hidden."""
    return {Row(cell[0], {}).place["group"] for cell, each in judged.items() if each.reason is not None}


def small(threshold: int, **more: object) -> dict[str, object]:
    return {"class": "public", "threshold": threshold, "reason": "the published example", **more}


def test_row_3_20_30_with_total_53_hides_3_and_20() -> None:
    """CMS cell-size rule: with 5 as threshold the 3 is hidden, and the next smallest, for 53 - 20 - 30 would tell it."""
    judged = judge(declare(["group"], {"group": ALL}, **small(5)), line(LINE), KEY)
    assert {cell[0]: each.reason for cell, each in judged.items()} == {
        key(group="a"): "primary",
        key(group="b"): "secondary",
        key(group="c"): None,
        key(group=ALL): None,
    }


def known(*counts: float) -> Problem:
    """A total and its parts, all shown."""
    values = np.array(counts, dtype=float)
    whole = total_of(0, range(1, len(counts)))
    return Problem(tuple(range(len(counts))), values, values, np.zeros(len(counts)), (whole,))


def test_hiding_only_the_3_is_recoverable() -> None:
    told = known(53, 3, 20, 30).hiding([1], np.full(4, 5.0))
    assert attack(told) == {1: Interval(3, 3)}
    assert unsafe(told) == [1]


def test_hidden_cells_leave_all_values_open_that_fit_the_published_sum() -> None:
    told = known(53, 3, 20, 30).hiding([1, 2], np.full(4, 5.0))
    assert attack(told) == {1: Interval(0, 23), 2: Interval(0, 23)}
    assert unsafe(told) == []


def test_figures_that_contradict_each_other_are_told() -> None:
    with pytest.raises(Impossible):
        attack(replace(known(10, 20, 3), low=np.array([10.0, 20, 0]), high=np.array([10.0, 20, 9])))


def test_persons_come_whole() -> None:
    """Twice the count is between 5 and 9: a half person is none."""
    twice = Relation((1, 0), (1.0, -2.0))
    told = Problem(("x", "y"), np.array([0.0, 5]), np.array([FAR, 9.0]), np.zeros(2), (twice,))
    assert attack(told, {0}) == {0: Interval(3, 4)}


def test_two_hidden_cells_whose_sum_is_small_are_not_enough() -> None:
    judged = judge(
        declare(["group"], {"group": ALL}), line({"a": 1, "b": 2, "c": 40, "d": 60, ALL: 103}), KEY
    )
    assert hidden(judged) == {"a", "b", "c"}


def test_a_small_total_is_hidden_with_its_parts() -> None:
    judged = judge(declare(["group"], {"group": ALL}), line({"a": 4, "b": 3, ALL: 7}), KEY)
    assert hidden(judged) == {"a", "b", ALL}


def test_nobody_is_shown_and_protects_nobody() -> None:
    judged = judge(declare(["group"], {"group": ALL}), line({"a": 0, "b": 4, "c": 60, ALL: 64}), KEY)
    assert hidden(judged) == {"b", "c"}


def test_a_neighbourhood_that_was_split_does_not_tell_its_parts() -> None:
    """Of Woburn (137 of the 140), 141 and 142 were made: with the whole shown, one tells the other."""
    assert splits()["137"] == ("141", "142")
    areas = {
        ("neighbourhood_140", "137"): 60,
        ("neighbourhood_158", "141"): 5,
        ("neighbourhood_158", "142"): 55,
    }
    rows = [Row(key(kind=kind, code=code), {"persons": count}) for (kind, code), count in areas.items()]
    judged = judge(declare(["kind", "code"], {}, geography=["kind", "code"]), rows, KEY)
    shown = [Row(cell[0], {}).place["code"] for cell, each in judged.items() if each.reason is None]
    assert shown == ["137"]


def test_a_part_cannot_be_larger_than_its_whole() -> None:
    """Of 12 who were invited 4 came: hidden, 4 may still be anything from 0 to 12."""
    row = Row(key(course="x"), {"invited": 12, "came": 4})
    measures = {"invited": {}, "came": {"part_of": "invited"}}
    judged = judge(declare(["course"], {}, measures=measures), [row], KEY)
    assert [each.reason for each in judged.values()] == [None, "primary"]
    tight = judge(
        declare(["course"], {}, **small(13, measures=measures)),
        [replace(row, counts={"invited": 12, "came": 13})],
        KEY,
    )
    assert [each.reason for each in tight.values()] == ["primary", None]


# -- between releases ------------------------------------------------------------------------------------------
def seen(number: int, judged: dict[Cell, Judged]) -> dict[Cell, list[Seen]]:
    return {c: [Seen(e.reason is not None, e.tag, e.shown, number)] for c, e in judged.items()}


TOLD = declare(["group"], {"group": ALL})


def test_what_an_earlier_release_showed_protects_no_other_cell() -> None:
    """b and c are as they were: a is the total less both, so the total goes."""
    first = judge(TOLD, line({"a": 12, "b": 20, "c": 30, ALL: 62}), KEY)
    assert hidden(first) == set()
    second = judge(TOLD, line({"a": 9, "b": 20, "c": 30, ALL: 59}), KEY, Past(seen(1, first)))
    assert hidden(second) == {"a", ALL}


def test_what_an_earlier_release_hid_stays_hidden_while_it_is_the_same() -> None:
    """a is 15 now and may be shown; b is what it was, and 53 - 20 - 30 would tell what a had been."""
    first = judge(TOLD, line(LINE), KEY)
    assert hidden(first) == {"a", "b"}
    second = judge(TOLD, line({"a": 15, "b": 20, "c": 30, ALL: 65}), KEY, Past(seen(1, first)))
    assert "b" in hidden(second)
    assert second[key(group="b"), "persons"].reason == "difference"
    third = judge(TOLD, line({"a": 15, "b": 21, "c": 30, ALL: 66}), KEY, Past(seen(1, first)))
    assert hidden(third) == set()


def test_cells_that_were_hidden_before_are_the_first_choice() -> None:
    """b is the dearer choice now, but it was hidden; to hide c instead would tell both."""
    first = judge(TOLD, line(LINE), KEY)
    again = judge(TOLD, line({"a": 4, "b": 35, "c": 30, ALL: 69}), KEY, Past(seen(1, first)))
    assert hidden(again) == {"a", "b"}


def test_the_same_figures_hide_the_same_cells_for_ever() -> None:
    rows, past, found = line({"a": 3, "b": 20, "c": 20, "d": 20, ALL: 63}), Past(), []
    for number in range(1, 5):
        judged = judge(TOLD, rows, KEY, past)
        found.append(hidden(judged))
        past = Past({cell: [*past.by_cell.get(cell, ()), *new] for cell, new in seen(number, judged).items()})
    assert found == [found[0]] * 4


def test_two_releases_together_are_attacked() -> None:
    """Hidden a and b add up to 23 before and to 12 now. a is as it was, so it is 12 at most, and that is wide enough."""
    first = judge(TOLD, line(LINE), KEY)
    second = judge(TOLD, line({"a": 3, "b": 9, "c": 30, ALL: 42}), KEY, Past(seen(1, first)))
    assert hidden(second) == {"a", "b"}
    third = judge(TOLD, line({"a": 3, "b": 5, "c": 30, ALL: 38}), KEY, Past(seen(1, first)))
    assert hidden(third) > {"a", "b"}, "8 together would leave too little open"


def test_where_only_published_cells_are_left_they_are_hidden_all_the_same() -> None:
    """A wave of 9 comes late, and a KPI shows 69: who has last night's 60 can tell, who has not cannot."""
    told = declare(["wave"], {}, published_elsewhere=[{"by": ["quarter"], "least": 30}])
    first = judge(told, [Row(key(wave="W1"), {"persons": 60}, ("[1]",))], KEY)
    rows = [Row(key(wave=wave), {"persons": count}, ("[1]",)) for wave, count in (("W1", 60), ("W2", 9))]
    judged = judge(told, rows, KEY, Past(seen(1, first)))
    assert [each.reason for each in judged.values()] == ["secondary", "primary"]


def test_a_part_of_a_table_that_is_as_it_was_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = line(LINE)
    first = judge(TOLD, rows, KEY)
    blocks = {str(next(iter(first.values())).block): {cell: each.reason for cell, each in first.items()}}
    monkeypatch.setattr(judging, "protect", lambda *_: pytest.fail("worked out again"))
    assert judge(TOLD, rows, KEY, blocks=blocks) == first
    with pytest.raises(pytest.fail.Exception):
        judge(TOLD, line({**LINE, "c": 31, ALL: 54}), KEY, blocks=blocks)


# -- rounding ---------------------------------------------------------------------------------------------------
def test_published_figures_bound_the_true_ones() -> None:
    """15 randomly rounded to 5 was 11 to 19; 120 to the nearest 5 was 117.5 to 122.5; '<5' is 0 to 4."""
    assert of_random(15) == (11, 19)
    assert of_nearest(120) == (117.5, 122.5)
    assert of_below(5) == (0, 4)


def test_random_rounding_is_unbiased_with_a_deviation_of_2_and_moves_4_at_most() -> None:
    """Up with probability r/5, down with (5 - r)/5: exact over an even spread of chances."""
    moves = [
        random_round(count, 5, (step + 0.5) / 1000) - count
        for count in range(100, 105)
        for step in range(1000)
    ]
    assert fmean(moves) == pytest.approx(0)
    assert math.sqrt(fmean(move * move for move in moves)) == pytest.approx(2)
    assert max(map(abs, moves)) == 4
    assert all(random_round(count, 5, 0.999) == count for count in (0, 5, 100))


def test_draws_are_even_and_the_same_in_every_release() -> None:
    draws = [draw(KEY, "table", f"row {number}", 7) for number in range(5000)]
    assert draws == [draw(KEY, "table", f"row {number}", 7) for number in range(5000)]
    assert fmean(draws) == pytest.approx(0.5, abs=0.02)
    assert Counter(int(each * 5) for each in draws).most_common()[-1][1] > 900
    assert draw(b"another key" * 3, "table", "row 1", 7) != draws[1]


def test_a_rounded_table_shows_multiples_and_still_hides_what_is_small() -> None:
    told = declare(["group"], {"group": ALL}, measures={"persons": {"rounding": 5}})
    rows = line({"a": 3, "b": 22, "c": 31, ALL: 56})
    judged = judge(told, rows, KEY)
    shown = [each.shown for each in judged.values() if each.shown is not None]
    assert shown
    assert all(figure % 5 == 0 for figure in shown)
    assert judged[key(group="a"), "persons"].shown is None
    assert judge(told, rows, KEY) == judged


def test_a_tag_does_not_tell_the_figure() -> None:
    tags = {tag(KEY, "t", "row", "persons", count) for count in range(50)}
    assert len(tags) == 50
    assert tags.isdisjoint(tag(b"another key" * 3, "t", "row", "persons", count) for count in range(50))


# -- generated tables --------------------------------------------------------------------------------------------
def suppressed(shape: Shape) -> frozenset[Cell]:
    judged = judge(shape.told, shape.rows, KEY)
    return frozenset(cell for cell, each in judged.items() if each.reason is not None)


def test_generated_tables_withstand_an_attacker_and_hide_little_more_than_they_must() -> None:
    """A fixed slice; `./cityperf bench privacy` attacks 1,400, and compares with the optimum."""
    small_cells = others = more = 0
    for shape in shapes(seed=311, count=6 * len(KINDS)):
        cells = suppressed(shape)
        assert broken(shape, cells) == [], shape.kind
        tiny = {cell for cell, count in shape.counts.items() if 0 < count < shape.threshold}
        small_cells, others, more = (
            small_cells + len(tiny),
            others + len(shape.counts) - len(tiny),
            more + len(cells - tiny),
        )
    assert small_cells > 60
    assert more / others < 0.15


def test_the_attacker_finds_what_is_not_hidden_well() -> None:
    """Only the small cells hidden: many tables tell them."""
    told = [
        bool(broken(shape, frozenset(c for c, n in shape.counts.items() if 0 < n < shape.threshold)))
        for shape in shapes(seed=311, count=2 * len(KINDS))
    ]
    assert sum(told) >= len(told) / 4


# -- what is declared --------------------------------------------------------------------------------------------
MODEL = """
models:
  - name: people
    config: {{meta: {{disclosure: {{class: counts, from: people, {said}}}}}}}
    constraints: [{{type: primary_key, columns: [place]}}]
    columns: [{{name: place, data_type: text}}, {{name: persons, data_type: bigint}}, {{name: share, data_type: numeric}}]
"""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("measures: {persons: {}}", "share"),
        ("measures: {persons: {derived: [shares]}}", "shares"),
        ("measures: {}", "measures"),
        ("measures: {persons: {derived: [share], threshold: 5}}", "threshold of 11 or more"),
        ("measures: {persons: {derived: [share]}}, threshold: 20", "reason"),
        ("measures: {persons: {derived: [share], part_of: invited}}", "invited"),
        ("measures: {persons: {derived: [share]}}, totals: {share: All}", "key"),
        ("measures: {persons: {derived: [share]}}, tables: [x]", "tables"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_place(
    tmp_path: Path, said: str, problem: str
) -> None:
    (tmp_path / "people.yml").write_text(MODEL.format(said=said))
    with pytest.raises(BadDeclaration, match=rf"(?s)people\.yml: people: .*{problem}"):
        declared(tmp_path)


def test_every_published_table_on_persons_is_protected_or_says_why_not() -> None:
    """Follows ref() from publish models to the data sets whose class is not public."""
    models = {path.stem: path.read_text("utf-8") for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    macros = "\n".join(path.read_text("utf-8") for path in (ROOT / "dbt_project" / "macros").rglob("*.sql"))
    private = {name for name, each in load_contracts().items() if each.privacy.level != "public"}
    refs = {
        name: set(re.findall(r"ref\(\s*['\"](\w+)['\"]", text)) & set(models) for name, text in models.items()
    }
    for name, text in models.items():  # a macro that the model calls may name the model it reads
        for macro in re.findall(r"\{\{-?\s*(\w+)\(", text):
            if body := re.search(rf"macro {macro}\((.*?)endmacro", macros, re.DOTALL):
                refs[name] |= set(re.findall(r"ref\(\s*['\"](\w+)['\"]", body.group(1))) & set(models)
    kpis = {path.stem for path in (ROOT / "dbt_project" / "models" / "kpis").rglob("*.sql")}
    refs["kpi_point"] |= kpis
    on_persons = {name for name, text in models.items() if private & set(re.findall(r"'(\w+)'", text))}
    while more := {name for name, parents in refs.items() if parents & on_persons} - on_persons:
        on_persons |= more
    published = {path.stem for path in (ROOT / "dbt_project" / "models" / "publish").glob("*.sql")}
    settled = set(declared()) | set(read_classes().exempt) | {"suppression_log"}
    assert {"survey_result", "kpi_value", "training_result"} <= on_persons & published
    unsettled = sorted((on_persons & published) - settled)
    assert unsettled == [], (
        "declare `disclosure` in the model, or give the reason in privacy/classes.yml under exempt"
    )


def test_every_check_of_the_audit_has_its_section_in_the_runbook() -> None:
    headings = re.findall(
        r"^## (.+)$", (ROOT / "docs" / "runbooks" / "privacy.md").read_text("utf-8"), re.MULTILINE
    )
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert {check.replace("_", "-") for check in EXPECTED} <= anchors


def test_nothing_is_declared_and_exempt() -> None:
    assert set(declared()).isdisjoint(read_classes().exempt)
    published = {path.stem for path in (ROOT / "dbt_project" / "models" / "publish").glob("*.sql")}
    assert set(read_classes().exempt) <= published


def test_a_declared_column_goes_through_the_macros_that_hide_it() -> None:
    for table, told in declared().items():
        text = (ROOT / "dbt_project" / "models" / "publish" / f"{table}.sql").read_text("utf-8")
        may_hide = {*told.rules.measures, *(c for m in told.rules.measures.values() for c in m.derived)}
        may_hide |= {column for each in told.rules.against for column in each.columns}
        taken = set(re.findall(r"disclosed(?:_count)?\('(\w+)'", text))
        assert taken == may_hide, table
        counted = set(re.findall(r"disclosed_count\('(\w+)'", text))
        assert counted == set(told.rules.measures), table
        columns = re.search(rf"disclosure_key\('{table}', \[(.*?)\]", text)
        assert columns is not None
        assert tuple(re.findall(r"\w+", columns.group(1))) == told.key


def test_a_kpi_is_not_more_public_than_its_sources() -> None:
    """`public` is for KPIs none of whose data sets counts persons."""
    contracts = load_contracts()
    found = []
    for path in (ROOT / "dbt_project" / "models" / "kpis").rglob("*.yml"):
        for model in yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader).get("models", []):
            kpi = model["config"]["meta"].get("kpi")
            if not kpi:
                continue
            levels = {contracts[name].privacy.level for name in kpi["sources"] if name in contracts}
            if "person_level" in levels and kpi["privacy_class"] == "public":
                found.append(kpi["id"])
    assert found == []
