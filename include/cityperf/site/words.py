"""Numbers, dates and words of the public pages, in English and French.

Formats are those of the locales `en` and `fr` of the Unicode CLDR (through Babel) with two exceptions: a minus is U+2212,
and a dollar amount is written as in Canada (`$1,250`, `1 250 $`). French groups thousands with U+202F and sets U+00A0
before a per cent sign, a unit and a colon. Words come from `include/site/words.yml`, where each key has both languages.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from cityperf.errors import CityperfError

Lang = Literal["en", "fr"]
LANGS: Final[tuple[Lang, Lang]] = ("en", "fr")
Number = Decimal | float | int

WORDS: Final = Path(__file__).parents[2] / "site" / "words.yml"

MINUS: Final = "−"
NBSP: Final = "\u00a0"
MILLION: Final = Decimal(1_000_000)
BILLION: Final = Decimal(1_000_000_000)

# Words of a period's place in a sentence: "in September 2026", "en septembre 2026", "au T3 2026", "à l’été 2026".
_SEASONS: Final = {12: "winter", 3: "spring", 6: "summer", 9: "autumn"}


# --- numbers -----------------------------------------------------------------------------------------------------------


def number(value: Number | None, decimals: int = 0, lang: Lang = "en", *, signed: bool = False) -> str:
    """A number with exactly `decimals` decimals, halves away from zero: `12,345.6`, `12 345,6`, `−0.9`.

    `signed` puts a plus before what is above zero. None gives the words for a missing figure.
    """
    if value is None:
        return text("missing", lang)
    return _number(Decimal(str(value)), decimals, lang, signed)


@lru_cache(maxsize=20_000)
def _number(value: Decimal, decimals: int, lang: Lang, signed: bool) -> str:
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    digits = format_decimal(abs(rounded), format=pattern, locale=lang)
    if rounded < 0:
        return MINUS + digits
    return "+" + digits if signed and rounded > 0 else digits


def percent(fraction: Number | None, decimals: int = 1, lang: Lang = "en", *, signed: bool = False) -> str:
    """A share as per cent: 0.841 is `84.1%`, `84,1 %`."""
    if fraction is None:
        return text("missing", lang)
    return text("percent", lang, value=number(Decimal(str(fraction)) * 100, decimals, lang, signed=signed))


def points(value: Number | None, decimals: int = 1, lang: Lang = "en", *, signed: bool = False) -> str:
    """A difference of two shares, given in percentage points: `0.9 points`, `0,9 point`."""
    if value is None:
        return text("missing", lang)
    shown = number(value, decimals, lang, signed=signed)
    return text("points", lang, count=_shown(value, decimals), value=shown)


def money(
    value: Number | None,
    decimals: int = 0,
    lang: Lang = "en",
    *,
    signed: bool = False,
    short: bool = False,
) -> str:
    """Dollars: `$1,250`, `1 250 $`; `short` writes a million or more as `$1.2 million`, `1,2 million de dollars`."""
    if value is None:
        return text("missing", lang)
    amount = Decimal(str(value))
    for unit, size in (("billion", BILLION), ("million", MILLION)):
        if short and abs(amount) >= size:
            scaled = amount / size
            sign, digits = _sign(number(scaled, 1, lang, signed=signed))
            return text(f"money.{unit}", lang, count=_shown(scaled, 1), sign=sign, value=digits)
    sign, digits = _sign(number(amount, decimals, lang, signed=signed))
    return text("money.plain", lang, sign=sign, value=digits)


def _sign(digits: str) -> tuple[str, str]:
    return (digits[0], digits[1:]) if digits[:1] in (MINUS, "+") else ("", digits)


def _shown(value: Number, decimals: int) -> Decimal:
    """The number as readers see it, which is what a plural follows: 1.96 shown as 2.0 is plural."""
    return abs(Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def figure_parts(value: Number | None, unit: str, decimals: int, lang: Lang) -> tuple[str, str]:
    """A KPI's figure and its unit apart, as a tile shows them: (`84.1`, `%`), (`$1,250`, ``), (`12`, `days`)."""
    if value is None:
        return text("missing", lang), ""
    if unit == "percent":
        return number(Decimal(str(value)) * 100, decimals, lang), "%"
    if unit == "cad":
        if abs(Decimal(str(value))) >= MILLION:
            return money(value, decimals, lang, short=True), ""
        return money(value, decimals, lang), ""
    return number(value, decimals, lang), unit_name(unit, lang, _shown(value, decimals))


def figure(value: Number | None, unit: str, decimals: int, lang: Lang, *, long: bool = True) -> str:
    """A KPI's figure with its unit in one line; `long=False` leaves out units that are words, as in a table."""
    digits, suffix = figure_parts(value, unit, decimals, lang)
    if unit == "percent" and value is not None:
        return percent(value, decimals, lang)
    return f"{digits}{NBSP}{suffix}" if suffix and long else digits


def difference(value: Number, unit: str, decimals: int, lang: Lang) -> str:
    """A difference of two figures of a KPI, with its sign: `+1.2 points` of shares (given as fractions), `−120`."""
    amount = Decimal(str(value))
    if unit == "percent":
        return points(amount * 100, decimals, lang, signed=True)
    said = figure(abs(amount), unit, decimals, lang)
    if number(amount, decimals, lang).startswith(MINUS):
        return MINUS + said
    return "+" + said if amount > 0 else said


def unit_name(unit: str, lang: Lang, count: Number = 2) -> str:
    """The word after a figure, such as `days`; empty for plain numbers. A unit without words is named as it is
    written in the registry, with spaces."""
    key = f"unit.{unit}"
    return text(key, lang, count=count) if key in _words() else unit.replace("_", " ")


def axis_unit(unit: str, lang: Lang) -> str:
    """The unit as a chart's subtitle names it: `Per cent`, `Dollars`, `Days`."""
    key = f"axis_unit.{unit}"
    if key in _words():
        return text(key, lang)
    named = unit_name(unit, lang)
    return named[:1].upper() + named[1:]


def change(value: Number | None, change_unit: str, lang: Lang, *, signed: bool = True) -> str:
    """A movement as the marts give it, in `pp` (percentage points) or `percent` (12.3 is 12.3 per cent)."""
    if change_unit == "pp":
        return points(value, 1, lang, signed=signed)
    return percent(None if value is None else Decimal(str(value)) / 100, 1, lang, signed=signed)


# --- dates -------------------------------------------------------------------------------------------------------------


def day(value: date | None, lang: Lang, *, short: bool = False) -> str:
    """A date: `15 October 2026`, `15 octobre 2026`, `1er mars 2026`; short `15 Oct 2026`, `15 oct. 2026`."""
    if value is None:
        return text("missing", lang)
    month = format_date(value, "MMM y" if short else "MMMM y", locale=lang)
    return f"{'1er' if lang == 'fr' and value.day == 1 else value.day} {month}"


@lru_cache(maxsize=20_000)
def period(start: date, grain: str, lang: Lang, *, short: bool = False) -> str:
    """The name of a period: `September 2026`, `Q3 2026`, `Winter 2026`, `2026`; French `T3 2026`, `Hiver 2026`.

    A winter is named after the year in which it ends (kpi-rules 3.1). `short` cuts months: `Sep 2026`, `sept. 2026`.
    """
    if grain == "year":
        return str(start.year)
    if grain == "quarter":
        return text("period.quarter", lang, quarter=str((start.month + 2) // 3), year=str(start.year))
    if grain == "season":
        year = start.year + (start.month == 12)
        return text(f"period.{_SEASONS[start.month]}", lang, year=str(year))
    if grain == "month":
        return format_date(start, "MMM y" if short else "LLLL y", locale=lang)
    return day(start, lang, short=short)


def period_in(start: date, grain: str, lang: Lang) -> str:
    """`In September 2026`, `En septembre 2026`, `Au T3 2026`, `À l’été 2026`: the head of a sentence."""
    return text(f"period_in.{_period_key(start, grain)}", lang, period=_inside(start, grain, lang))


def period_of(start: date, grain: str, lang: Lang) -> str:
    """`September 2026`, `de septembre 2026`, `d’août 2026`, `du T3 2026`, `de l’été 2026`: what a figure is of."""
    name = _inside(start, grain, lang)
    if grain == "month" and lang == "fr" and name[0] in "ao":
        return f"d’{name}"
    return text(f"period_of.{_period_key(start, grain)}", lang, period=name)


def _period_key(start: date, grain: str) -> str:
    return _SEASONS[start.month] if grain == "season" else grain


def _inside(start: date, grain: str, lang: Lang) -> str:
    """The name within a sentence: French seasons are not capitalised there."""
    name = period(start, grain, lang)
    return name[:1].lower() + name[1:] if lang == "fr" and grain == "season" else name


def numeral(count: int, lang: Lang) -> str:
    """Up to twelve in letters, then in digits: `eight`, `huit`, `13`."""
    key = f"numeral.{count}"
    return text(key, lang) if key in _words() else number(count, 0, lang)


# --- words -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Word:
    """One key in both languages: a text, or its plural forms by CLDR category (`one`, `other`)."""

    en: Mapping[str, str]
    fr: Mapping[str, str]

    def form(self, lang: Lang, category: str) -> str:
        forms = self.en if lang == "en" else self.fr
        return forms.get(category, forms["other"])


def text(key: str, lang: Lang, /, **values: str | int | Decimal | float) -> str:
    """The words of `key` with `values` filled in. `count` chooses the plural form: 0 to 1.99 is singular in French,
    only 1 in English. Numbers among the values are written as whole numbers of the language.

    Raises CityperfError when the key is unknown or a value that the text names is not given.
    """
    word = _words().get(key)
    if word is None:
        raise CityperfError(f"expected a key of {WORDS.name}, found {key!r}; add it there in both languages")
    category = _category(str(values["count"]), lang) if "count" in values else "other"
    template = word.form(lang, category)
    if "{" not in template:
        return template
    shown = {name: said if isinstance(said, str) else number(said, 0, lang) for name, said in values.items()}
    try:
        return template.format(**shown)
    except KeyError as problem:
        raise CityperfError(
            f"expected the value {problem} for {key!r}, found {sorted(values)}; hand it to text()"
        ) from None


def has(key: str) -> bool:
    """Whether words.yml has the key."""
    return key in _words()


@lru_cache(maxsize=2_000)
def _category(count: str, lang: Lang) -> str:
    # Kept by the text: 1 and 1.0 are equal as numbers and differ here.
    # CLDR gives English 1.0 the form "other" for its visible decimal, which is right: "1.0 points".
    return Locale(lang).plural_form(Decimal(count))


@cache
def _words() -> dict[str, Word]:
    """The words of every file beside words.yml: pages of one room may keep theirs in a file of their own."""
    return {key: word for path in sorted(WORDS.parent.glob("*.yml")) for key, word in read(path).items()}


def read(path: Path) -> dict[str, Word]:
    """The words of a file by dotted key.

    Raises CityperfError when a key lacks a language, a plural form, or names other values in one language than in
    the other.
    """
    found: dict[str, Word] = {}
    _collect(yaml.safe_load(path.read_text("utf-8")) or {}, "", found, path)
    return found


def _collect(node: Mapping[Any, Any], prefix: str, found: dict[str, Word], path: Path) -> None:
    for name, content in node.items():
        key = f"{prefix}{name}"
        if not isinstance(content, Mapping):
            raise CityperfError(
                f"{path.name}: {key}: expected en and fr, found {content!r}; write both languages"
            )
        if not {"en", "fr"} & set(content):
            _collect(content, f"{key}.", found, path)
            continue
        if set(content) != {"en", "fr"}:
            raise CityperfError(
                f"{path.name}: {key}: expected en and fr, found {sorted(content)}; write both"
            )
        english, french = (_forms(content[lang]) for lang in LANGS)
        for forms in (english, french):
            if "other" not in forms or not set(forms) <= {"one", "other"}:
                raise CityperfError(
                    f"{path.name}: {key}: expected a text, or one and other, found {sorted(forms)}; name both forms"
                )
        if _named(english) != _named(french):
            raise CityperfError(
                f"{path.name}: {key}: expected the same values in both languages, found {sorted(_named(english))} "
                f"and {sorted(_named(french))}; name the same in both"
            )
        found[key] = Word(english, {form: _spaced(said) for form, said in french.items()})


def _forms(content: Any) -> dict[str, str]:
    if isinstance(content, Mapping):
        return {str(form): str(said) for form, said in content.items()}
    return {"other": str(content)}


def _named(forms: Mapping[str, str]) -> set[str]:
    # A singular may leave its number out ("the last month"), so the plural tells what is named.
    return {name for _, name, _, _ in string.Formatter().parse(forms["other"]) if name}


def _spaced(french: str) -> str:
    """French sets a space that does not break before a colon, a per cent or dollar sign and inside quotation marks."""
    for before, after in ((" :", ":"), (" %", "%"), (" $", "$"), (" »", "»")):
        french = french.replace(before, NBSP + after)
    return french.replace("« ", "«" + NBSP)
