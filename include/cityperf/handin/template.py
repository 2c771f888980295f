"""The workbook that a division fills in, made from the contracts: hard to get wrong, the same bytes every time.

Each register has a sheet with a title block, a named table below a protected header, drop-down lists and checks on
entry. Two sheets explain it, one in English and one in French. Nothing is merged and nothing is hidden.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from cityperf.handin import Workbook, register_of, sheet_name
from cityperf.handin.words import (
    TYPES,
    Language,
    bounds,
    due_words,
    english,
    helped,
    label,
    quoted,
    ruled,
    say,
)
from cityperf.sources import NUMBERS, Column, Contract

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

ROWS: Final = 1000  # rows of the named table; entry is possible below it too
LAST: Final = 20_000  # the last row on which entries are checked
LISTS: Final = "Lists"
EXPLAINED: Final[dict[Language, str]] = {"en": "Instructions", "fr": "Mode d'emploi"}
_MADE: Final = datetime(2000, 1, 1)  # a template has no date but its version
_BLOCK: Final = ("division", "as_of", "template")  # rows 2 to 4 of a register's sheet
_FORMATS: Final = {
    "integer": "0", "numeric": "General", "money": "#,##0.00", "percent": "General", "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:mm", "time": "hh:mm",
}  # fmt: skip
_COLUMNS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Sheet", "Column", "In French", "What it is", "Filled in", "Allowed", "Example"),
    "fr": ("Feuille", "Colonne", "En français", "Ce que c'est", "À remplir", "Permis", "Exemple"),
}


def template(workbook: Workbook, division: str | None = None, rows: int = ROWS) -> bytes:
    """The XLSX file; `division` is filled in already if it is given."""
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    titles = ", ".join(register_of(sheet).title.en for sheet in workbook.sheets)
    book.set_properties(
        {
            "title": titles,
            "subject": workbook.template,
            "author": workbook.sheets[0].owner.division,
            "keywords": "template, modèle",
            "created": _MADE,
        }
    )
    formats = _Formats(book)
    explained = {each: book.add_worksheet(name) for each, name in EXPLAINED.items()}
    pages = [(sheet, book.add_worksheet(sheet_name(sheet))) for sheet in workbook.sheets]
    lists = _Lists(book.add_worksheet(LISTS), formats)
    for language, page in explained.items():
        _explain(page, workbook, language, formats)
    for contract, page in pages:
        _sheet(page, workbook, contract, division, rows, lists, formats)
    lists.close()
    pages[0][1].activate()
    book.close()
    return _with_language(out.getvalue())


class _Formats:
    """The cell formats of one workbook."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._entries: dict[str, Format] = {}
        self.title: Format = book.add_format({"bold": True, "font_size": 14})
        self.label: Format = book.add_format({"bold": True, "align": "left"})
        self.header: Format = book.add_format(
            {"bold": True, "bg_color": "#003F72", "font_color": "#FFFFFF", "text_wrap": True, "valign": "top"}
        )
        self.text: Format = book.add_format({"text_wrap": True, "valign": "top"})
        self.locked: Format = book.add_format()

    def entry(self, number_format: str) -> Format:
        """An unlocked cell, for entering."""
        if number_format not in self._entries:
            self._entries[number_format] = self._book.add_format(
                {"locked": False, "num_format": number_format, "valign": "top"}
            )
        return self._entries[number_format]


class _Lists:
    """The sheet with the values of all drop-down lists, a column each."""

    def __init__(self, page: Worksheet, formats: _Formats) -> None:
        self._page, self._formats, self._places = page, formats, dict[tuple[str, tuple[str, ...]], str]()

    def place(self, title: str, values: tuple[str, ...]) -> str:
        """Where the values stand, as a formula for a drop-down list."""
        if (title, values) not in self._places:
            column = len(self._places)
            width = min(60, max(map(len, (title, *values))) + 2)
            self._page.set_column(column, column, width)
            self._page.write_string(0, column, title, self._formats.header)
            for row, value in enumerate(values, 1):
                self._page.write_string(row, column, value)
            letter = column_letter(column)
            self._places[title, values] = f"={LISTS}!${letter}$2:${letter}${len(values) + 1}"
        return self._places[title, values]

    def close(self) -> None:
        self._page.freeze_panes(1, 0)
        self._page.protect()


def _sheet(
    page: Worksheet,
    workbook: Workbook,
    contract: Contract,
    division: str | None,
    rows: int,
    lists: _Lists,
    formats: _Formats,
) -> None:
    """Title block, header and an empty table."""
    columns = entered(contract)
    top = header_row(contract)
    for position, column in enumerate(columns):
        page.set_column(position, position, _width(column), formats.entry(_FORMATS.get(column.type, "@")))
    for row in range(top):
        for position in range(len(columns)):
            page.write_blank(row, position, "", formats.locked)
    page.write_string(0, 0, register_of(contract).title.en, formats.title)
    for row, name in enumerate(_above(contract), 1):
        _block_row(page, row, name, workbook, contract, division, lists, formats)
    page.set_row(top, 34)
    page.add_table(
        top, 0, top + rows, len(columns) - 1,
        {
            "name": f"{contract.dataset}_table",
            "columns": [{"header": english(each), "header_format": formats.header} for each in columns],
            "style": "Table Style Light 9",
        },
    )  # fmt: skip
    for position, column in enumerate(columns):
        french = " : ".join(filter(None, (label(column, "fr"), helped(column, "fr"))))
        if column.label or column.help:
            page.write_comment(top, position, french, {"author": "", "x_scale": 2})
        page.data_validation(top + 1, position, LAST, position, _check(column, contract, lists))
    page.freeze_panes(top + 1, 1)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(top)
    allowed = ("format_columns", "format_rows", "sort", "autofilter", "insert_rows", "delete_rows")
    page.protect("", dict.fromkeys(allowed, True))


def entered(contract: Contract) -> list[Column]:
    """The columns of the table, in the contract's order; the others stand in the title block."""
    return [column for column in contract.named_columns if not column.above]


def header_row(contract: Contract) -> int:
    """The header's row counted from 0: the sixth row, lower where the title block needs more."""
    return max(5, len(_above(contract)) + 2)


def _above(contract: Contract) -> list[str | None]:
    """The rows of the title block below the title: a column's name each, None for a blank row."""
    there = {str(column.name) for column in contract.named_columns if column.above}
    further = sorted(there - {*_BLOCK})
    return [name if name in there or name == "template" else None for name in _BLOCK] + [*further]


def _block_row(
    page: Worksheet,
    row: int,
    name: str | None,
    workbook: Workbook,
    contract: Contract,
    division: str | None,
    lists: _Lists,
    formats: _Formats,
) -> None:
    column = next((each for each in contract.named_columns if each.name == name), None)
    if name == "template":
        page.write_string(row, 0, column.above if column and column.above else "Template", formats.label)
        page.write_string(row, 1, workbook.template, formats.locked)
    elif column is not None:
        page.write_string(row, 0, str(column.above), formats.label)
        entry = formats.entry(_FORMATS.get(column.type, "@"))
        if name == "division" and division:
            page.write_string(row, 1, division, entry)
        else:
            page.write_blank(row, 1, "", entry)
        check = _check(column, contract, lists)
        if name == "division":
            check |= {"validate": "list", "source": lists.place("Division", workbook.divisions)}
        page.data_validation(row, 1, row, 1, check)


def _check(column: Column, contract: Contract, lists: _Lists) -> dict[str, Any]:
    """What may be entered, with a message for whoever enters the cell."""
    told = [helped(column, "en"), helped(column, "fr")]
    if column.example:
        told.append(f"Example / Exemple : {column.example}")
    expected = ", ".join(filter(None, (TYPES[column.type].en, bounds(column, "en"))))
    rule: dict[str, Any] = {
        "validate": "any",
        "ignore_blank": True,
        "input_title": english(column)[:32],
        "input_message": "\n".join(filter(None, told))[:255] or expected,
        "error_title": english(column)[:32],
        "error_message": f"Expected / Attendu : {expected} ({TYPES[column.type].fr})."[:255],
    }
    if column.allowed:
        rule |= {"validate": "list", "source": lists.place(english(column), column.allowed)}
        rule["error_message"] = "Choose a value from the list. / Choisissez une valeur de la liste."
    elif column.type == "boolean":
        rule |= {"validate": "list", "source": ["Yes", "No"]}
    elif column.type in ("date", "timestamp") and not column.formats:
        rule |= {"validate": "date", "criteria": "between",
                 "minimum": date(1950, 1, 1), "maximum": date(2199, 12, 31)}  # fmt: skip
    elif column.type in NUMBERS:
        low = -1e12 if column.min is None else column.min
        high = 1e12 if column.max is None else column.max
        kind = "integer" if column.type == "integer" else "decimal"
        rule |= {"validate": kind, "criteria": "between", "minimum": low, "maximum": high}
    return rule


def _width(column: Column) -> float:
    longest = max((*map(len, column.allowed), len(column.example or ""), 0))
    return float(max(14, min(46, max(longest, len(english(column))) + 4)))


# -- the two sheets that explain ---------------------------------------------------------------------------------
def _explain(page: Worksheet, workbook: Workbook, language: Language, formats: _Formats) -> None:
    row = 0
    for head, lines in _paragraphs(workbook, language):
        page.write_string(row, 0, head, formats.title if row == 0 else formats.label)
        for line in lines:
            row += 1
            page.write_string(row, 0, line)
        row += 2
    table = [_described(c, column, language) for c in workbook.sheets for column in entered(c)]
    titles = [{"header": title, "header_format": formats.header} for title in _COLUMNS[language]]
    page.add_table(
        row, 0, row + len(table), len(titles) - 1,
        {"name": f"columns_{language}", "columns": titles, "autofilter": False, "style": "Table Style Light 9"},
    )  # fmt: skip
    for number, cells in enumerate(table, row + 1):
        for position, cell in enumerate(cells):
            page.write_string(number, position, cell, formats.text)
    for position, width in enumerate((24, 28, 28, 48, 16, 40, 24)):
        page.set_column(position, position, width)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.protect("", {"format_columns": True, "format_rows": True})


def _paragraphs(workbook: Workbook, language: Language) -> Iterator[tuple[str, list[str]]]:
    """(heading, lines) of the text above the table of columns."""
    titles = ", ".join(say(register_of(sheet).title, language) for sheet in workbook.sheets)
    owner = workbook.sheets[0].owner
    sheets = ", ".join(quoted(sheet_name(sheet), language) for sheet in workbook.sheets)
    example = workbook.file_name(workbook.divisions[0], date(2026, 12, 31))
    rules = [
        f"{sheet_name(sheet)}: {line}" for sheet in workbook.sheets for line in plain_rules(sheet, language)
    ]
    if language == "en":
        yield f"{titles}: how to hand it in", [f"Template {workbook.template}"]
        yield (
            "What to do",
            [
                f"Fill in {sheets}: first the cells beside Division and Reflects progress up to, where there are any.",
                "Then one record a row below the blue header. Leave the header and the names of the sheets as they are.",
                "Enter values, no formulas. Nothing may be merged or hidden. Hand in all records, not only new ones.",
            ],
        )
        yield "When", [due_words(workbook.register.due, language)]
        yield "Who hands it in", [", ".join(workbook.divisions)]
        yield (
            "How to hand it in",
            [
                f"Save it as {example} (with your division and date) and put it in the folder drop/{workbook.folder},",
                "or send it to the steward. The receipt lies in the folder receipts beside it the next morning:",
                "it says which rows were accepted, which were not, and how to mend them.",
            ],
        )
        yield "Who to ask", [f"{owner.steward}, {owner.division}"]
        if rules:
            yield "What must hold in each row", rules
        yield "The columns", []
        return
    yield f"{titles} : comment remettre ce classeur", [f"Modèle {workbook.template}"]
    yield (
        "Que faire",
        [
            f"Remplissez {sheets} : d'abord les cellules à côté de Division et de Reflects progress up to "
            "(progrès jusqu'au), s'il y en a.",
            "Puis une ligne par élément sous l'en-tête bleu. Ne changez ni l'en-tête ni le nom des feuilles.",
            "Entrez des valeurs, pas de formules. Rien ne doit être fusionné ni masqué. Remettez tous les "
            "éléments, pas seulement les nouveaux.",
        ],
    )
    yield "Quand", [due_words(workbook.register.due, language)]
    yield "Qui le remet", [", ".join(workbook.divisions)]
    yield (
        "Comment le remettre",
        [
            f"Enregistrez-le sous {example} (avec votre division et la date) et déposez-le dans le dossier "
            f"drop/{workbook.folder},",
            "ou envoyez-le au responsable. Le lendemain, l'accusé de réception se trouve dans le dossier receipts :",
            "il dit quelles lignes sont acceptées, lesquelles ne le sont pas, et comment les corriger.",
        ],
    )
    yield "À qui s'adresser", [f"{owner.steward}, {owner.division}"]
    if rules:
        yield "Ce qui doit être vrai à chaque ligne", rules
    yield "Les colonnes", []


def plain_rules(contract: Contract, language: Language) -> list[str]:
    """Keys, rules, status and links of a register as sentences."""
    register = register_of(contract)
    columns = {str(column.name): column for column in contract.named_columns}
    names = {name: quoted(label(column, language), language) for name, column in columns.items()}
    keys = " + ".join(names[key] for key in contract.keys if not columns[key].above)
    lines = [f"{keys} comes once." if language == "en" else f"{keys} ne figure qu'une fois."] if keys else []
    lines += [ruled(contract, rule, language) for rule in register.rules]
    if register.status:
        steps, name = " → ".join(register.status.forward), names[register.status.column]
        en = f"{name} never moves back along {steps} from one hand-in to the next."
        fr = f"{name} ne recule jamais dans {steps} d'une remise à l'autre."
        lines.append(en if language == "en" else fr)
    for link in register.links:
        name, target = names[link.column], link.dataset.replace("_", " ")
        en = f"{name} stands in the register of {target}, in this workbook or the last hand-in."
        fr = f"{name} figure au registre « {target} », dans ce classeur ou dans la dernière remise."
        lines.append(en if language == "en" else fr)
    return lines


def _described(contract: Contract, column: Column, language: Language) -> tuple[str, ...]:
    needed = {"en": ("always", "if known"), "fr": ("toujours", "si connu")}[language]
    what = ". ".join(filter(None, (helped(column, language).rstrip("."), say(TYPES[column.type], language))))
    return (
        sheet_name(contract),
        english(column),
        label(column, "fr"),
        what,
        needed[0] if column.required else needed[1],
        " / ".join(column.allowed) or bounds(column, language),
        column.example or "",
    )


def column_letter(position: int) -> str:
    """A column's letters, counted from 0: A, B, ... AA."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _with_language(content: bytes) -> bytes:
    """The same workbook with its languages among the properties, which xlsxwriter does not know of."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            part = old.read(item)
            if item.filename == "docProps/core.xml":
                language = b"<dc:language>en-CA, fr-CA</dc:language></cp:coreProperties>"
                part = re.sub(rb"</cp:coreProperties>", language, part)
            named = zipfile.ZipInfo(item.filename, (1980, 1, 1, 0, 0, 0))
            named.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(named, part)
    return out.getvalue()
