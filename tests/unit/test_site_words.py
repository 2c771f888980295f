"""Numbers, dates and sentences of the public pages, in both languages (formats: the design's table of words)."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from cityperf.errors import CityperfError
from cityperf.site import sentences, words
from cityperf.site.sentences import Reading
from cityperf.site.words import LANGS, Lang

NEVER = re.compile(
    r"\b(because|due to|thanks to|led to|significant\w*|soared|plunged|trend|best|worst"
    r"|parce que|à cause|grâce à|en raison|significati\w+|tendance|flambée)\b",
    re.IGNORECASE,
)
READING = Reading(
    date(2026, 9, 1), "month", "percent", 1, 0.841, "improvement", "seven_on_one_side", True, 8, False, "value", 24,
    0.82, 0.775, 0.864, "hit_or_miss", 0.85, 0.85,
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.number(12345.6, 1, "en"), "12,345.6"),
        (words.number(12345.6, 1, "fr"), "12\u202f345,6"),
        (words.number(-0.9, 1, "en"), "\u22120.9"),
        (words.number(-0.9, 1, "fr"), "\u22120,9"),
        (words.number(-0.04, 1, "en"), "0.0"),
        (words.number(0.5, 0, "en"), "1"),
        (words.number(3.4, 1, "en", signed=True), "+3.4"),
        (words.percent(Decimal("0.841"), 1, "en"), "84.1%"),
        (words.percent(Decimal("0.841"), 1, "fr"), "84,1\u00a0%"),
        (words.points(0.9, 1, "en"), "0.9 points"),
        (words.points(0.9, 1, "fr"), "0,9 point"),
        (words.points(1.99, 2, "fr"), "1,99 point"),
        (words.points(1.99, 1, "fr"), "2,0 points"),
        (words.money(1250, 0, "en"), "$1,250"),
        (words.money(1250, 0, "fr"), "1\u202f250\u00a0$"),
        (words.money(-1250, 0, "en"), "\u2212$1,250"),
        (words.money(1_200_000, 0, "en", short=True), "$1.2 million"),
        (words.money(1_200_000, 0, "fr", short=True), "1,2 million de dollars"),
        (words.money(2_000_000, 0, "fr", short=True), "2,0 millions de dollars"),
        (words.day(date(2026, 10, 15), "en"), "15 October 2026"),
        (words.day(date(2026, 10, 15), "fr"), "15 octobre 2026"),
        (words.day(date(2026, 3, 1), "fr"), "1er mars 2026"),
        (words.day(date(2026, 3, 1), "en"), "1 March 2026"),
        (words.period(date(2025, 12, 1), "season", "en"), "Winter 2026"),
        (words.period_in(date(2026, 7, 1), "quarter", "fr"), "Au T3 2026"),
        (words.period_of(date(2026, 8, 1), "month", "fr"), "d’août 2026"),
        (words.figure(3, "days", 0, "fr"), "3\u00a0jours"),
        (words.figure(1, "days", 0, "en"), "1\u00a0day"),
        (words.figure(None, "percent", 1, "en"), "n/a"),
        (words.change(Decimal("-1.2"), "pp", "en"), "\u22121.2 points"),
        (words.change(Decimal("7.56"), "percent", "fr"), "+7,6\u00a0%"),
    ],
)  # fmt: skip
def test_numbers_and_dates_have_the_form_of_their_language(said: str, expected: str) -> None:
    assert said == expected


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [
        (0, "0 points", "0 point"),
        (1, "1 point", "1 point"),
        (1.5, "2 points", "2 points"),
        (2, "2 points", "2 points"),
    ],
)
def test_a_plural_follows_the_number_that_is_shown(count: float, english: str, french: str) -> None:
    assert words.points(count, 0, "en") == english
    assert words.points(count, 0, "fr") == french


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: {en: only}", "write both"),
        ("a: {en: '{x}', fr: '{y}'}", "name the same in both"),
        ("a: {en: {one: day}, fr: jour}", "name both forms"),
        ("a: text", "write both languages"),
    ],
)
def test_a_word_that_lacks_a_language_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "words.yml"
    path.write_text(content, "utf-8")
    with pytest.raises(CityperfError, match=said):
        words.read(path)


def test_an_unknown_key_says_where_to_add_it() -> None:
    with pytest.raises(CityperfError, match=r"words\.yml"):
        words.text("no.such.key", "en")


def test_the_designs_sentences_come_out_as_written_there() -> None:
    assert sentences.signal(READING, "en") == (
        "The last eight months are all above the mean of 82.0%. That is a signal of improvement: unlikely to be chance "
        "alone. The chart does not show why."
    )
    assert sentences.target(READING, "en") == (
        "The target of 85.0% lies inside the usual range of 77.5% to 86.4%. If nothing changes, some months will meet it "
        "and others will not."
    )
    usual = replace(READING, variation="common_cause", special_cause=None)
    assert sentences.movement(usual, Decimal("-1.2"), "pp", date(2026, 8, 1), "en") == (
        "September 2026 is 1.2 points lower than August 2026. That is within the usual variation."
    )
    assert sentences.movement(usual, Decimal("-1.2"), "pp", date(2026, 8, 1), "fr") == (
        "Le chiffre de septembre 2026 est inférieur de 1,2 point à celui d’août 2026. "
        "C’est dans la variation habituelle."
    )
    assert sentences.finding(READING, "en") == "Improving: the last eight months are above the mean"


def _readings() -> list[Reading]:
    causes = ("outside_limits", "seven_point_trend", "two_of_three_near_limit", "seven_on_one_side")
    signals = itertools.product(
        ("improvement", "concern", "neutral_high", "neutral_low"), causes, (True, False)
    )
    found = [replace(READING, variation=v, special_cause=c, high=h) for v, c, h in signals]
    for variation in ("common_cause", "too_few_points", "not_suitable"):
        found.append(replace(READING, variation=variation, special_cause=None))
    found += [
        replace(READING, assurance=a)
        for a in ("consistent_pass", "consistent_fail", "not_assessed", "no_target")
    ]
    found += [replace(reading, period_grain=g) for reading in found for g in ("quarter", "season", "year")]
    return [
        *found,
        replace(READING, is_trial=True),
        replace(READING, signal_basis="same_season", target_high=0.9),
    ]


@pytest.mark.parametrize("lang", LANGS)
def test_every_state_has_a_sentence_and_none_names_a_cause(lang: Lang) -> None:
    for reading in _readings():
        for sentence in (sentences.level, sentences.signal, sentences.target, sentences.finding):
            said = sentence(reading, lang)
            assert said
            assert "{" not in said
            assert NEVER.search(said) is None, said


def test_no_word_of_the_pages_names_a_cause() -> None:
    own = {**words.read(words.WORDS), **words.read(words.WORDS.with_name("profile.yml"))}
    for key, word in own.items():
        for said in (*word.en.values(), *word.fr.values()):
            assert NEVER.search(said) is None, (key, said)


def test_a_measure_without_a_better_direction_is_never_called_better_or_worse() -> None:
    assert sentences.status_word("neutral", "up") == "higher"
    assert sentences.status_word("neutral", "down") == "lower"
    assert sentences.state_group("neutral_low") == "changed"
    assert "neither direction is better" in sentences.signal(replace(READING, variation="neutral_low"), "en")


def test_french_agrees_with_its_interval() -> None:
    assert "dernières années sont toutes" in sentences.signal(replace(READING, period_grain="year"), "fr")
    assert "derniers mois sont tous" in sentences.signal(READING, "fr")


def test_a_seasonal_chart_speaks_of_differences() -> None:
    seasonal = replace(
        READING,
        signal_basis="same_season",
        variation="common_cause",
        special_cause=None,
        mean=Decimal("-0.012"),
    )
    said = sentences.signal(seasonal, "en")
    assert "within the usual variation around a mean difference of \u22121.2 points" in said
    assert words.difference(-120, "cad", 0, "fr") == "\u2212120\u00a0$"
    assert words.difference(3, "days", 0, "en") == "+3\u00a0days"


def test_a_plural_follows_the_count_as_written_whatever_was_asked_before() -> None:
    """1 and 1.0 are one key of a mapping and two forms in English: pages came out otherwise in another order."""
    for first, second in ((Decimal("1.0"), 1), (1, Decimal("1.0"))):
        words._category.cache_clear()
        said = {str(count): words.text("kpi.files", "en", count=count) for count in (first, second)}
        assert said["1"] == "The file behind the figures"
        assert said["1.0"] != said["1"]
