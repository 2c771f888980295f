"""What templates and receipts say, in English and in French."""

from __future__ import annotations

from typing import Final, Literal

from cityperf.sources import Column, Contract, Due, Rule, Words

Language = Literal["en", "fr"]

MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
           "novembre", "décembre"),
}  # fmt: skip
TYPES: Final[dict[str, Words]] = {
    "text": Words(en="text", fr="texte"),
    "integer": Words(en="whole number", fr="nombre entier"),
    "numeric": Words(en="number", fr="nombre"),
    "money": Words(en="amount in dollars", fr="montant en dollars"),
    "percent": Words(en="percentage, written as 90 and not as 0.9", fr="pourcentage, écrit 90 et non 0,9"),
    "date": Words(en="date, as 2026-01-31", fr="date, comme 2026-01-31"),
    "timestamp": Words(en="date and time", fr="date et heure"),
    "time": Words(en="time of day, as 14:30", fr="heure, comme 14:30"),
    "boolean": Words(en="Yes or No", fr="Yes (oui) ou No (non)"),
    "json": Words(en="JSON", fr="JSON"),
}
_RULES: Final[dict[str, Words]] = {
    "not_before": Words(en="{0} is not before {1}.", fr="{0} n'est pas antérieure à {1}."),
    "not_after": Words(en="{0} is not after {1}.", fr="{0} n'est pas postérieure à {1}."),
    "at_most": Words(en="{0} is at most {1}.", fr="{0} ne dépasse pas {1}."),
    "needs": Words(en="Where {0} is filled in, {1} is too.", fr="Si {0} est rempli, {1} doit l'être aussi."),
}


def say(words: Words, language: Language) -> str:
    """One of the two languages."""
    return words.en if language == "en" else words.fr


def quoted(text: str, language: Language) -> str:
    """In the language's quotation marks."""
    return f"“{text}”" if language == "en" else f"« {text} »"


def english(column: Column) -> str:
    """The column's header as the template writes it: its first name in files."""
    return column.above or (column.header[0] if column.header else str(column.name))


def label(column: Column, language: Language) -> str:
    """The column as people call it; where no French is known, the English header."""
    return column.label.fr if language == "fr" and column.label else english(column)


def helped(column: Column, language: Language) -> str:
    """What a person should know to fill the column in."""
    return say(column.help, language) if column.help else column.description if language == "en" else ""


def bounds(column: Column, language: Language) -> str:
    """The column's limits in words; empty if it has none."""
    parts = []
    if column.min is not None:
        parts.append(("at least {:g}" if language == "en" else "au moins {:g}").format(column.min))
    if column.max is not None:
        parts.append(("at most {:g}" if language == "en" else "au plus {:g}").format(column.max))
    return ", ".join(parts)


def ruled(contract: Contract, rule: Rule, language: Language) -> str:
    """A rule of the register as a sentence."""
    columns = {column.name: column for column in contract.named_columns}
    names = [quoted(label(columns[name], language), language) for name in (rule.column, rule.other)]
    return say(_RULES[rule.kind], language).format(*names)


def due_words(due: Due, language: Language) -> str:
    """When a hand-in is expected, in words."""
    months = [MONTHS[language][month - 1] for month in sorted(due.months)]
    joined = months[0]
    if months[1:]:
        joined = ", ".join(months[:-1]) + (" and " if language == "en" else " et ") + months[-1]
    if language == "en":
        return f"By day {due.day} of {joined}. A reminder comes {due.remind.days} days before."
    return f"Au plus tard le {due.day} des mois suivants : {joined}. Un rappel est envoyé {due.remind.days} jours avant."
