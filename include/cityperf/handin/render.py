"""A receipt for people: as plain text for mail and terminal, as a page that needs no colour and no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from cityperf.handin.changes import Changes
from cityperf.handin.receipt import Outcome, Receipt, Remark, SheetReceipt
from cityperf.sources import Words

MOST: Final = 40  # entries of a list in mail and terminal; the page has them all

OUTCOMES: Final[dict[Outcome, Words]] = {
    "accepted": Words(en="Accepted", fr="Accepté"),
    "partly": Words(en="Accepted in part", fr="Accepté en partie"),
    "refused": Words(en="Refused", fr="Refusé"),
    "pending": Words(en="Not read yet", fr="Pas encore lu"),
}
_HEADINGS: Final = {
    "receipt": Words(en="Receipt", fr="Accusé de réception"),
    "rows": Words(en="Rows not accepted", fr="Lignes refusées"),
    "sheet": Words(en="Why the sheet was refused", fr="Pourquoi la feuille est refusée"),
    "warnings": Words(en="Please look at", fr="À vérifier"),
    "changes": Words(en="Changed since the last hand-in", fr="Changements depuis la dernière remise"),
}
_FIELDS: Final = {
    "file": Words(en="File", fr="Fichier"),
    "division": Words(en="Division", fr="Division"),
    "as_of": Words(en="Reflects progress up to", fr="Progrès jusqu'au"),
    "night": Words(en="Read on the night of", fr="Lu la nuit du"),
    "outcome": Words(en="Outcome", fr="Résultat"),
    "steward": Words(en="Questions to", fr="Questions à"),
}
_ROWS: Final = (
    Words(en="Cell", fr="Cellule"), Words(en="Column", fr="Colonne"), Words(en="Expected", fr="Attendu"),
    Words(en="Found", fr="Trouvé"), Words(en="How to mend it", fr="Comment corriger"),
)  # fmt: skip
_REMARKS: Final = (_ROWS[0], *_ROWS[2:])


def rows_of(sheet: SheetReceipt) -> list[tuple[str, ...]]:
    """The rows that were not accepted, as cells of a table."""
    return [
        (
            each.cell or f"row {each.row}",
            each.column or "",
            each.expected,
            each.found or "(empty)",
            each.remedy,
        )
        for each in sheet.refused
    ]


def remarks_of(remarks: Iterable[Remark]) -> list[tuple[str, ...]]:
    """Remarks as cells of a table."""
    return [(each.cell or "", each.expected, each.found, each.remedy) for each in remarks]


def counted(sheet: SheetReceipt) -> str:
    """How many rows of a sheet were accepted, in both languages."""
    if sheet.outcome in ("refused", "pending"):
        return both(OUTCOMES[sheet.outcome])
    return (
        f"{sheet.accepted:,} of {sheet.rows:,} rows accepted / "
        f"{sheet.accepted} ligne(s) sur {sheet.rows} acceptée(s)"
    )


def both(words: Words) -> str:
    """English, then French."""
    return words.en if words.en == words.fr else f"{words.en} / {words.fr}"


def fields_of(receipt: Receipt) -> list[tuple[Words, str]]:
    """What the receipt is for and how it ended."""
    return [
        (_FIELDS["file"], receipt.file),
        (_FIELDS["division"], receipt.division),
        (_FIELDS["as_of"], receipt.as_of or "-"),
        (_FIELDS["night"], receipt.night.isoformat()),
        (_FIELDS["outcome"], both(OUTCOMES[receipt.outcome])),
        (_FIELDS["steward"], receipt.steward),
    ]


def changes_of(changes: Changes) -> list[tuple[Words, list[str]]]:
    """(what happened to rows, which rows) for every kind of change that occurred."""
    said = [
        (Words(en="New", fr="Nouvelles"), list(changes.new)),
        (
            Words(en="Status moved", fr="État changé"),
            [f"{each.key}: {each.before or '-'} → {each.after or '-'}" for each in changes.moved],
        ),
        (
            Words(en="Changed", fr="Modifiées"),
            [
                f"{each.key}: " + ", ".join(f"{n}: {a or '-'} → {b or '-'}" for n, (a, b) in each.columns.items())
                for each in changes.changed
            ],
        ),
        (Words(en="Gone", fr="Disparues"), list(changes.gone)),
    ]  # fmt: skip
    return [(words, rows) for words, rows in said if rows]


# -- plain text ----------------------------------------------------------------------------------------------
def text(receipt: Receipt) -> str:
    """The receipt as a mail says it; long lists are cut, the page beside the file has them whole."""
    lines = [both(_HEADINGS["receipt"])]
    if receipt.is_sample:
        lines.append("SAMPLE - invented data / EXEMPLE - données inventées")
    lines += [f"{both(words)}: {value}" for words, value in fields_of(receipt)]
    for sheet in receipt.sheets:
        lines += ["", f"{both(sheet.title)} ({sheet.sheet}): {counted(sheet)}", *_sheet_lines(sheet)]
    return "\n".join(lines) + "\n"


def _sheet_lines(sheet: SheetReceipt) -> Iterator[str]:
    told = (
        ("sheet", [_remark_line(each) for each in sheet.refusals]),
        ("rows", [f"{at} ({column}): expected {expected}, found {found}; {mend}"
                  for at, column, expected, found, mend in rows_of(sheet)]),
        ("warnings", [*(_remark_line(each) for each in sheet.warnings), *([sheet.notes] if sheet.notes else [])]),
    )  # fmt: skip
    for name, entries in told:
        if entries:
            yield f"  {both(_HEADINGS[name])}"
            yield from _cut(entries)
    if sheet.changes:
        yield f"  {both(_HEADINGS['changes'])} ({sheet.changes.since})"
        for words, rows in changes_of(sheet.changes):
            yield f"    {both(words)} ({len(rows):,})"
            yield from _cut(rows, "      ")
        yield f"    Unchanged / Inchangées ({sheet.changes.unchanged:,})"


def _remark_line(remark: Remark) -> str:
    place = f"{remark.cell}: " if remark.cell else ""
    return f"{place}expected {remark.expected}, found {remark.found}; {remark.remedy}"


def _cut(entries: Sequence[str], indent: str = "    ") -> Iterator[str]:
    yield from (f"{indent}{each}" for each in entries[:MOST])
    if len(entries) > MOST:
        yield f"{indent}and {len(entries) - MOST:,} more / et {len(entries) - MOST} de plus"


# -- a page --------------------------------------------------------------------------------------------------
def html(receipt: Receipt) -> str:
    """The receipt as a page of its own, readable by a screen reader and on paper."""
    title = f"{_HEADINGS['receipt'].en}: {receipt.file}"
    body = [f"<h1>{_html_both(_HEADINGS['receipt'])}</h1>"]
    if receipt.is_sample:
        body.append('<p><strong>SAMPLE - invented data / <span lang="fr">EXEMPLE - données inventées</span>'
                    "</strong></p>")  # fmt: skip
    body.append("<dl>")
    body += [f"<dt>{_html_both(words)}</dt><dd>{escape(value)}</dd>" for words, value in fields_of(receipt)]
    body.append("</dl>")
    for sheet in receipt.sheets:
        body += [
            f"<h2>{_html_both(sheet.title)} ({escape(sheet.sheet)})</h2>",
            f"<p>{escape(counted(sheet))}</p>",
        ]
        body += _table("sheet", _REMARKS, remarks_of(sheet.refusals))
        body += _table("rows", _ROWS, rows_of(sheet))
        body += _table("warnings", _REMARKS, remarks_of(sheet.warnings))
        if sheet.notes:
            body.append(f"<p>{escape(sheet.notes)}</p>")
        if sheet.changes:
            body.append(f"<h3>{_html_both(_HEADINGS['changes'])} ({escape(sheet.changes.since)})</h3>")
            for words, rows in changes_of(sheet.changes):
                items = "".join(f"<li>{escape(row)}</li>" for row in rows)
                body.append(f"<h4>{_html_both(words)} ({len(rows):,})</h4><ul>{items}</ul>")
            body.append(f'<p>Unchanged / <span lang="fr">Inchangées</span>: {sheet.changes.unchanged:,}</p>')
    return _PAGE.format(title=escape(title), body="\n".join(body))


def _html_both(words: Words) -> str:
    if words.en == words.fr:
        return escape(words.en)
    return f'{escape(words.en)} / <span lang="fr">{escape(words.fr)}</span>'


def _table(name: str, heads: Sequence[Words], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    head = "".join(f'<th scope="col">{_html_both(each)}</th>' for each in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f"{_html_both(_HEADINGS[name])} ({len(rows):,})"
    return [
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    ]


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
dt {{ font-weight: bold; }}
dd {{ margin: 0 0 .5rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100%; }}
caption {{ font-weight: bold; text-align: left; }}
th, td {{ border: 1px solid #595959; padding: .3rem .5rem; text-align: left; vertical-align: top; }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
