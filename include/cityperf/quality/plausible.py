"""What a delivery may look like, judged by its own history: rules that no contract could state in advance.

Three kinds. *Shape*: how full, how large, of which sign and which words the columns are, beside a comparable earlier
delivery. *Units*: the middle of a whole column moved so far that it must be counted in something else. *Jumps*: points
of a series beyond what its own changes from one year's season to the next make plausible.

A jump is judged on the scale of ratios where all earlier figures are positive, else on that of differences. The usual
change is the median of the series' changes from season to like season, its spread the median absolute deviation from
it (Rousseeuw and Croux 1993; 1.4826 makes it a standard deviation where changes are normal). A figure is only called a
jump when its change is far outside that spread *and* the figure lies outside all that the season ever was: a yearly
peak, or a way back to normal, is neither. Nor is what a share or a rate of a few cases may do by chance: see CHANCES.
The spread of few changes is itself a matter of chance, so it counts as at least the usual one of the series' family, the
same figure of other areas. And a figure that ripens, such as the share of a month's cases that are still open, is held
against what earlier periods' figures were when they were first told, and a later one against how they ripened.
"""

# ruff: noqa: S608 - SQL is made of names from reviewed contracts and of numbers above

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cityperf.sources import NUMBERS, Column, Contract, Series

SAMPLE: Final = 2_500  # rows of each side that shapes are taken of
ENOUGH: Final = 30  # values on both sides, without which nothing is said of a column
CATEGORIES: Final = 40  # different values at most of a column that counts as a list of categories
CLOCKED: Final = 500  # times of day on both sides, without which nothing is said of the clock
SIGMAS: Final = 6  # spreads beyond the usual change
STEPS: Final = 5  # changes that a series must have behind it to be judged
FLOOR: Final = 0.05  # least spread: 5 % of a figure, or of the span that a series ever had
CHANCES: Final = (
    4  # standard errors of a ratio of few cases, within which its change says nothing: thousands are judged
)
RIPENED: Final = 3  # periods of a series that moved as much before a series counts as one that ripens
MARGIN: Final = 0.25  # beyond the season's own extremes, on the same scales
OTHER_UNIT: Final = 8  # times the middle was: not the same unit any more
_NUMBER: Final = r"'^\s*[-+(]?\s*-?[$]?\s*[0-9,]*[.]?[0-9]+\s*[%)]?\s*$'"
_NOTHING: Final = "('', 'none', 'null', 'n/a', 'nan')"  # ways to leave a cell empty
_DAY: Final = "'^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'"
# UTF-8 read as cp1252 (a capital A or a with a sign that no word has after it), and the mark of an unknown byte.
_DAMAGE: Final = (
    "'[\u00c3\u00c2][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u2018-\u203a\u20ac\u2122]"
    "|\u00e2\u20ac|\ufffd'"
)


@dataclass(frozen=True)
class Before:
    """A comparable earlier delivery: its table in schema raw and the condition that selects its rows."""

    table: str
    where: str

    @property
    def rows(self) -> str:
        return f'select * from raw."{self.table}" where {self.where}'


def _amount(value: str) -> str:
    """SQL for a text as float8, null where it is no number; parentheses and a minus sign mean less than nothing."""
    return (
        f"case when {value} ~ {_NUMBER} then regexp_replace({value}, '[^0-9.]', '', 'g')::float8 "
        f"* case when {value} ~ '[(-]' then -1 else 1 end end"
    )


def _cells(contract: Contract, before: Before) -> str:
    """CTE `cells`: (side, name, kind, value) of about SAMPLE rows of each side, in the columns that have a shape.

    Rows are drawn by a hash of their number: damage to every fourth row must not hide from every other one.
    """
    listed = ", ".join(
        f"('{c.name}', '{_kind(c)}', btrim(\"{c.name}\"))" for c in _columns(contract, _SHAPES)
    )

    def side(name: str, rows: str) -> str:
        drawn = f"(hashint8(_row) & 2147483647) % (select 1 + count(*) / {SAMPLE} from {rows}) = 0"
        return (
            f"select '{name}' as side, cell.name, cell.kind, "
            f'case when lower(cell.value) not in {_NOTHING} then cell.value collate "C" end as value from ('
            f"select * from {rows} where {drawn}) as looked "
            f"cross join lateral (values {listed}) as cell (name, kind, value)"
        )

    return f", before as ({before.rows}), cells as materialized ({side('now', 't')} union all {side('before', 'before')})"


def _day(value: str) -> str:
    """SQL for a text like a date as a moment; the 31st of February, which no cast survives, counts as the 3rd of March."""
    year, month, day = (f"substr({value}, {at}, {n})::int" for at, n in ((1, 4), (6, 2), (9, 2)))
    return f"(make_date(greatest({year}, 1), 1, 1) + make_interval(months => {month} - 1, days => {day} - 1))"


def _kind(column: Column) -> str:
    if column.type in NUMBERS:
        return "number" if column.decimal == "." else "other"
    return "day" if column.type in ("date", "timestamp") and not column.formats else column.type


def _columns(contract: Contract, kinds: tuple[str, ...]) -> list[Column]:
    return [
        c for c in contract.raw_columns if c.name and c.type in kinds and not c.personal and not c.optional
    ]


_SHAPES: Final = (*NUMBERS, "text", "date", "timestamp")


def has_numbers(contract: Contract) -> bool:
    """Whether the units of its columns can be judged."""
    return bool(_columns(contract, NUMBERS))


def shape_query(contract: Contract, before: Before, night: str) -> str | None:
    """Rows (_check, column_name, problem, before, now) where the delivery does not look like the one before it.

    `_check` is same_unit for columns of numbers whose middle is OTHER_UNIT times what it was, or a part; else
    shape_as_before. Both in one query: drawing the rows is most of the work.
    """
    if not _columns(contract, _SHAPES):
        return None
    judged_by_series = (
        contract.series.value if contract.series else ""
    )  # of many units: its middle means nothing
    return (
        _cells(contract, before)
        + f""",
        numbers as (
            select side, name, {_amount("value")} as number from cells where kind = 'number' and value is not null
        ),
        sides as (
            select name, kind,
                count(*) filter (where side = 'before') as n_before, count(*) filter (where side = 'now') as n_now,
                avg((value is not null)::int) filter (where side = 'before') as filled_before,
                avg((value is not null)::int) filter (where side = 'now') as filled_now,
                max(left(value, 10)) filter (where side = 'before' and kind = 'day' and left(value, 10) <= '{night}')
                    as newest_before,
                max(left(value, 10)) filter (where side = 'now' and kind = 'day' and left(value, 10) <= '{night}')
                    as newest_now,
                count(*) filter (where side = 'before' and kind = 'day' and left(value, 10) > '{night}') as ahead_before,
                count(*) filter (where side = 'now' and kind = 'day' and left(value, 10) > '{night}') as ahead_now,
                max(left(value, 10)) filter (where side = 'now' and kind = 'day') as last_now
            from cells group by 1, 2
        ),
        signs as (
            select name,
                avg((number < 0)::int) filter (where side = 'before') as below_before,
                avg((number < 0)::int) filter (where side = 'now') as below_now,
                percentile_cont(0.5) within group (order by abs(number)) filter (where side = 'before' and number <> 0)
                    as middle_before,
                percentile_cont(0.5) within group (order by abs(number)) filter (where side = 'now' and number <> 0)
                    as middle_now,
                least(count(*) filter (where side = 'before' and number <> 0),
                    count(*) filter (where side = 'now' and number <> 0)) as least_of
            from numbers where number is not null group by 1
        ),
        hours as (
            select name, substr(value, 12, 2) as hour, count(*) filter (where side = 'before') as before,
                count(*) filter (where side = 'now') as now
            from cells where kind = 'day' and value ~ {_DAY} and value ~ '[T ][0-9][0-9]:' group by 1, 2
        ),
        clocks as (  -- half the sum of the differences: 0 where the hours are spread alike, 1 where none is shared
            select name, sum(abs(before / all_before - now / all_now)) / 2 as apart, min(all_before) as all_before,
                min(all_now) as all_now
            from (select name, before, now, sum(before) over (partition by name) as all_before,
                sum(now) over (partition by name) as all_now from hours) as h
            where all_before > 0 and all_now > 0 group by 1
        ),
        words as materialized (
            select name, value, count(*) filter (where side = 'before') as n_before,
                count(*) filter (where side = 'now') as n_now
            from cells where kind = 'text' and value is not null group by 1, 2
        ),
        lists as (  -- of categories: few values, each of them often
            select name, sides.n_before as rows_before, sides.n_now as rows_now,
                count(*) filter (where words.n_before > 0) as kinds_before
            from sides join words using (name) group by 1, 2, 3
            having count(*) filter (where words.n_before > 0) between 2 and {CATEGORIES}
                and sides.n_before >= 20 * count(*) filter (where words.n_before > 0)
        )
        select case problem when 'another unit' then 'same_unit' else 'shape_as_before' end as _check, * from (
        select name as column_name, 'empty more often' as problem,
            to_char(100 * filled_before, 'FM990.0') || ' % filled' as before,
            to_char(100 * filled_now, 'FM990.0') || ' % filled' as now
        from sides where least(n_before, n_now) >= {ENOUGH} and filled_before - filled_now > 0.15
        union all
        select name, 'another sign', to_char(100 * below_before, 'FM990.0') || ' % below 0',
            to_char(100 * below_now, 'FM990.0') || ' % below 0'
        from signs where least_of >= {ENOUGH} and abs(below_before - below_now) > 0.2
        union all
        select name, 'another size', 'middle ' || middle_before, 'middle ' || middle_now
        from signs where least_of >= 4 * {ENOUGH} and name <> '{judged_by_series}'
            and abs(ln(middle_now / middle_before)) > 0.45
        union all
        select name, 'another unit', 'middle ' || middle_before, 'middle ' || middle_now
        from signs where least_of >= {ENOUGH} and abs(ln(middle_now / middle_before)) > ln({OTHER_UNIT})
        union all
        select name, 'a date after the night', ahead_before || ' so far', ahead_now || ', up to ' || last_now
        from sides where n_before >= {ENOUGH} and ahead_before = 0 and ahead_now > 0
        union all
        select name, 'older than before', 'up to ' || newest_before, 'up to ' || newest_now
        from sides where least(n_before, n_now) >= {ENOUGH}
            and newest_before ~ {_DAY} and newest_now ~ {_DAY}
            and {_day("newest_before")} - {_day("newest_now")} > interval '14 days'
        union all
        select name, 'a value never seen', kinds_before || ' values', quote_literal(value) || ' ' || n_now || ' times'
        from words join lists using (name)
        where words.n_before = 0 and n_now >= greatest(5, 0.01 * rows_now)
        union all
        select name, 'a value gone', quote_literal(value) || ' ' || words.n_before || ' times', 'never'
        from words join lists using (name)
        where words.n_now = 0 and words.n_before::float8 * rows_now / rows_before >= 20
        union all
        select name, 'another time of day', 'hours spread otherwise', to_char(100 * apart, 'FM990') || ' % apart'
        from clocks where least(all_before, all_now) >= {CLOCKED} and apart > 0.2
        union all
        select name, 'damaged letters', 'none', quote_literal(value)
        from words where n_before = 0 and value ~ {_DAMAGE}
            and not exists (select from words as other where other.name = words.name and other.n_before > 0
                and other.value ~ {_DAMAGE})
        ) as found order by 1, 2, 3, 4, 5
    """
    )


def repeats_query(contract: Contract, before: Before | None) -> str:
    """Rows (times, before, first_row) that stand in the delivery far more often than any did before."""
    names = ", ".join(
        f'"{c.name}"' for c in contract.raw_columns if c.name and not c.optional and not c.personal
    )
    most = f"select count(*) as times, min(_row) as first_row from {{rows}} group by row({names})::text"
    earlier = (
        f"(select coalesce(max(times), 1) from ({most.format(rows=f'({before.rows}) as b')}) as b)"
        if before
        else "1"
    )
    return (
        f"select times, {earlier} as before, first_row from ({most.format(rows='t')}) as repeated "
        f"where times >= {ENOUGH} and times > 5 * {earlier} order by times desc limit 5"
    )


def kept_query(columns: Sequence[str], before: Before) -> str:
    """Rows (column_name, gone, rows_before) of values that the delivery before had and this one has on no row."""
    each = (
        f"""select '{column}' as column_name, min(btrim("{column}")) as gone, count(*) as rows_before
            from before where btrim("{column}") <> '' group by lower(btrim("{column}"))
            having lower(btrim("{column}")) not in (select lower(btrim("{column}")) from t where "{column}" is not null)"""
        for column in columns
    )
    return f", before as ({before.rows}) {' union all '.join(each)} order by rows_before desc, gone"


def periods_query(before: Before, stood: list[str]) -> str:
    """Rows (period, before, now) of periods that the same file had and lacks, or has far fewer or more rows of.

    `stood`: the periods of the file's delivery before. The newest of them may still have been filling.
    """
    listed = ", ".join(f"('{each}')" for each in stood)
    return (
        f", before as (select _period as period, count(*) as before from ({before.rows}) as b group by 1), "
        "counted as (select _period as period, count(*) as now from t group by 1) "
        "select period, coalesce(before, 0) as before, coalesce(now, 0) as now "
        f"from (values {listed}) as stood (period) left join before using (period) left join counted using (period) "
        f"where now is null or (before >= {ENOUGH} and now < 0.6 * before) "
        f"or (before >= {ENOUGH} and now > 1.6 * before and period < '{max(stood)}') order by 1"
    )


def points_of(contract: Contract, series: Series, before: Before) -> str:
    """CTE `points` (see jumps_query) of a batch `t` and the delivery before it: its figures are no ratios of known cases, so
    chance is null; a series is its own family; and of earlier deliveries nothing is asked, so first is null."""
    of = " || ' ' || ".join(f"coalesce(\"{name}\", '')" for name in series.of)
    place = " || ' ' || ".join(f"lpad(left(\"{name}\", 10), 10, '0')" for name in series.at)
    season = "''"
    if series.season:
        column = next(c for c in contract.raw_columns if c.name == series.season)
        # Yearly points may repeat the year where others have their season.
        text = f'"{series.season}"'
        season = (
            f"substr({text}, 6, 2)"
            if column.type == "date"
            else f"case when length({text}) > 2 then '' else {text} end"
        )
    value = _amount(f'"{series.value}"')
    shape = f"select {of} as series, max({season}) as season, {place} as place, max({value}) as v"
    return (
        f", points as (select series, place, coalesce(now_.season, was_.season) as season, now_.v as now, was_.v as was, "
        "null::float8 as chance, series as family, null::float8 as first "
        f"from ({shape} from t group by 1, 3) as now_ "
        f"full join ({shape} from ({before.rows}) as b group by 1, 3) as was_ using (series, place))"
    )


def jumps_query(points: str) -> str:
    """Rows (series, place, now, was, usual, least, most) of points that are new or restated beyond what is plausible.

    `points`: SQL of the CTE `points` (series, season, place, now, was, chance, family, first): `was` is what stood, null
    for a new point; `chance` the standard error of a ratio of counted cases, null for other figures; `family` names series
    of one kind; `first` is what was told of the point at first, null where nobody knows.
    """
    return (
        points
        + _judged_points()
        + """
        select series, place, now, was,
            case when positive then exp(middle) else middle end as usual_change,
            case when positive then exp(low) else low end as least_so_far,
            case when positive then exp(high) else high end as most_so_far
        from verdicts where is_jump order by far desc nulls first
    """
    )


def gone_query(points: str) -> str:
    """Rows (series, points_gone, first) of series that lost figures which stood, other than their oldest."""
    return (
        points
        + """, starts as (select series, min(place) filter (where now is not null) as start from points group by 1)
        select series, count(*) as points_gone, min(place) as first
        from points left join starts using (series)
        where was is not null and now is null and (start is null or place > start) group by 1 order by 2 desc
    """
    )


def _judged_points() -> str:
    """CTE `verdicts`: each new or restated point with its series' history and whether it is a jump."""
    return f""", scaled as (
            select *, case when not positive then coalesce(was, now)
                when coalesce(was, now) > 0 then ln(coalesce(was, now)) end as level,
                case when not positive then now when now > 0 then ln(now) end as level_now,
                case when not positive then first when first > 0 then ln(first) end as level_first
            from (select *, coalesce(min(was) over (partition by series) > 0, false) as positive
                from points where coalesce(was, now) is not null) as p
        ),
        stepped as (
            select *, level - lag(level) over (partition by series, season order by place) as step from scaled
        ),
        centres as (
            select series, percentile_cont(0.5) within group (order by step) as middle, count(step) as steps,
                max(was) - min(was) as span
            from stepped where was is not null group by 1
        ),
        alone as (
            select series, family, positive, middle, steps, case when positive then 1 else span end as scale, greatest(
                1.4826 * percentile_cont(0.5) within group (order by abs(step - middle)),
                {FLOOR} * case when positive then 1 else span end) as spread
            from stepped natural join centres where was is not null and step is not null group by 1, 2, 3, 4, 5, span
        ),
        families as (
            select family, positive, percentile_cont(0.5) within group (order by spread) as usual_spread
            from alone group by 1, 2
        ),
        spreads as (
            select series, middle, steps, greatest(spread, usual_spread) as spread,
                greatest(2 * greatest(spread, usual_spread), {MARGIN} * scale) as margin
            from alone natural join families
        ),
        ripened as (
            select series, min(first) as first_low, max(first) as first_high,
                least(min(level - level_first), 0) as fell, greatest(max(level - level_first), 0) as rose
            from stepped natural join spreads where was is not null and abs(level - level_first) > margin
            group by 1 having count(*) >= {RIPENED}
        ),
        seasons as (
            select series, season, min(level) as low, max(level) as high, min(was) as lowest, max(was) as highest,
                count(*) as years
            from stepped where was is not null group by 1, 2
        ),
        judged as (
            select *, case when was is null then abs(step - middle) else abs(level_now - level) end as far
            from stepped natural join spreads natural join seasons left join ripened using (series)
            where now is not null and (was is null or now <> was) and steps >= {STEPS} and years >= 2
        ),
        verdicts as (
            select *, case
                when now between coalesce(was, lowest) - {CHANCES} * chance and coalesce(was, highest) + {CHANCES} * chance
                    then false
                when was is null and now between first_low - {CHANCES} * coalesce(chance, 0)
                    and first_high + {CHANCES} * coalesce(chance, 0) then false
                when was is not null and level_now - level between fell and rose then false
                when positive and now <= 0 then true
                when was is null then far > {SIGMAS} * spread and (level > high + margin or level < low - margin)
                else far > greatest(margin, 4 * spread) end as is_jump
            from judged
        )
    """
