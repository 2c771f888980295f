"""What the text of each type looks like, as SQL that is true for text which does not cast.

It works on PostgreSQL 15: a value is looked at by pattern and, for dates, by the calendar, and never cast
before it is known to be castable.
"""

from __future__ import annotations

import re
from typing import Final

from psycopg import sql

from cityperf.sources import Column

_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
PATTERNS: Final = {
    "integer": r"^\s*[-+]?[0-9]{1,18}\s*$",
    "numeric": r"^\s*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})?\s*$",
    "money": r"^\s*(-?\s*[$]?\s*-?|[(]\s*[$]?)\s*([0-9]+|[0-9]{1,3}(,[0-9]{3})+)?([.][0-9]+)?\s*[)]?\s*$",
    "percent": r"^\s*[-+]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)?([.][0-9]+)?\s*%?\s*$",
    "date": rf"^\s*{_DAY}([T ]{_CLOCK})?\s*$",
    "timestamp": rf"^\s*{_DAY}([T ]{_CLOCK})?\s*$",
    "time": r"^\s*([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(\s?[AaPp][Mm])?\s*$",
    "boolean": r"^\s*([tTfFyYnN01]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO])\s*$",
}
# The same with a decimal comma: thousands stand apart by a space of any kind, an apostrophe or a point.
_FRENCH: Final = r"([0-9]+|[0-9]{1,3}([ \u00a0\u202f\u2009'’.][0-9]{3})+)?(,[0-9]+)?"
FRENCH: Final = {
    "numeric": rf"^\s*[-+−]?\s?{_FRENCH}\s*$",
    "money": rf"^\s*[(]?\s*[-−]?\s*[$]?\s*{_FRENCH}\s*[$]?\s*[)]?\s*$",
    "percent": rf"^\s*[-+−]?\s?{_FRENCH}\s*%?\s*$",
}
WORDS: Final = {
    "integer": "a whole number",
    "numeric": "a number",
    "money": "an amount",
    "percent": "a percentage",
    "date": "a date (YYYY-MM-DD)",
    "timestamp": "a date and time (YYYY-MM-DD hh:mm)",
    "time": "a time of day (hh:mm)",
    "boolean": "true or false",
    "json": "JSON",
}
_MONTH: Final = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_LONG: Final = "(january|february|march|april|may|june|july|august|september|october|november|december)"
_PARTS: Final = {
    "Y": "([0-9]{4})", "y": "([0-9]{2})", "m": "(0?[1-9]|1[0-2])", "d": "(0?[1-9]|[12][0-9]|3[01])",
    "b": _MONTH, "B": _LONG, "H": "([01]?[0-9]|2[0-3])", "I": "(0?[1-9]|1[0-2])", "M": "([0-5][0-9])",
    "S": "([0-5][0-9])", "p": "([ap][.]?m[.]?)",
}  # fmt: skip


def words(column: Column) -> str:
    """What is expected, for people."""
    if column.formats:
        return f"a date like {' or '.join(column.formats)}"
    return WORDS[column.type] + (" with a decimal comma" if column.decimal == "," else "")


def wrong_type(column: Column, value: sql.Composable, server_version: int) -> sql.Composable | None:
    """SQL that is true where the text does not cast to the column's type; None for text, which is never wrong."""
    kind = column.type
    if kind == "text":
        return None
    if kind == "json":
        if server_version >= 160000:
            return sql.SQL("not pg_input_is_valid({}, 'json')").format(value)
        return sql.SQL("{} !~ {}").format(value, sql.Literal(r'^\s*([\[{"]|-?[0-9]|true|false|null)'))
    if column.formats:
        fits = sql.SQL(" or ").join(_fits(text, value) for text in column.formats)
        return sql.SQL("not ({})").format(fits)
    pattern = FRENCH[kind] if column.decimal == "," else PATTERNS[kind]
    matches = sql.SQL("{} ~ {}").format(value, sql.Literal(pattern))
    if kind in ("date", "timestamp"):
        # the 31st of April matches the pattern: ask the calendar, but only for what looks like a date
        year, month, day = (
            sql.SQL("substr(btrim({}), {}, {})").format(value, sql.Literal(a), sql.Literal(n))
            for a, n in ((1, 4), (6, 2), (9, 2))
        )
        return sql.SQL("not case when {} then {} else false end").format(
            matches, _in_calendar(year, month, day)
        )
    if kind in ("money", "percent") or column.decimal == ",":
        return sql.SQL("not ({} and {} ~ '[0-9]')").format(matches, value)
    return sql.SQL("not ({})").format(matches)


def _in_calendar(year: sql.Composable, month: sql.Composable, day: sql.Composable) -> sql.Composed:
    """Whether month and day, which look like ones, are a day of that year. Up to the 28th no month need be asked."""
    return sql.SQL(
        "({0}::int > 0 and ({2}::int <= 28 or {2}::int <= extract(day from "
        "make_date(greatest({0}::int, 1), {1}::int, 1) + interval '1 month - 1 day')))"
    ).format(year, month, day)


def _fits(text: str, value: sql.Composable) -> sql.Composed:
    """SQL that is true where the text is a day of the calendar, written in this strptime format."""
    pieces = re.split(r"%(.)", text)  # signs, directive, signs, directive, ...
    order = pieces[1::2]
    pattern = "".join(
        _PARTS[piece] if position % 2 else re.sub(r"\s+", r"\\s+", re.escape(piece).replace(r"\ ", " "))
        for position, piece in enumerate(pieces)
    )
    whole = sql.Literal(rf"^\s*{pattern}\s*$")

    def part(*directives: str) -> tuple[str, sql.Composed]:
        at, which = next((n, d) for n, d in enumerate(order, 1) if d in directives)
        # months by name have an inner group only as a whole, so groups count like directives
        return which, sql.SQL("(regexp_match({}, {}, 'i'))[{}]").format(value, whole, sql.Literal(at))

    short, year = part("Y", "y")
    named, month = part("m", "b", "B")
    _, day = part("d")
    if short == "y":
        year = sql.SQL("('20' || {})").format(year)
    if named != "m":
        month = sql.SQL(
            "((strpos('janfebmaraprmayjunjulaugsepoctnovdec', lower(substr({}, 1, 3))) + 2) / 3)"
        ).format(month)
    return sql.SQL("case when {} ~* {} then {} else false end").format(
        value, whole, _in_calendar(year, month, day)
    )
