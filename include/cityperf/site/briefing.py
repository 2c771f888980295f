"""A division's briefing note as a Word file, with the words of its page.

The same note gives the same bytes: its date is that of its newest figure, and the archive inside carries no times.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from cityperf.site import words
from cityperf.site.charts.paper import on_paper
from cityperf.site.words import Lang

if TYPE_CHECKING:
    from docx.document import Document

EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a ZIP archive can say
TABLE: Final = "Light List Accent 1"
STYLES: Final = {"Title", "Heading 1", "Heading 2", "Header", "Footer", TABLE}
HEAVY: Final = ("/thumbnail", "/stylesWithEffects")
NEVER: Final = date(1980, 1, 1)  # of a note without a figure


def document(note: Mapping[str, Any], lang: Lang, since: int, sample: bool) -> bytes:
    """The file: title, language, headings as styles, a header row that repeats on every page, a text for every picture.
    `note` is what the page of the note is drawn from."""
    import docx
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm

    def t(key: str, **values: Any) -> str:
        return words.text(key, lang, **values)

    made = docx.Document(io.BytesIO(_template()))
    title = t("briefing.title", division=note["division"])
    _describe(made, f"SAMPLE · {title}" if sample else title, t("site.name"), lang, note["as_of"] or NEVER)
    section = made.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Cm(27.94), Cm(21.59)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(2)
    section.footer.paragraphs[0].text = f"{title} · {t('paper.since', number=since)}"
    made.add_paragraph(title, style="Title")
    if sample:
        notice = f"SAMPLE · {t('notice.sample')}"
        section.header.paragraphs[0].text = notice
        made.add_paragraph(notice).runs[0].bold = True  # a header is not read aloud with the text
    if note["as_of"]:
        made.add_paragraph(f"{t('tile.as_of', day=words.day(note['as_of'], lang))}.")
    made.add_paragraph(" ".join(note["short"]))
    made.add_heading(t("briefing.changed"), 1)
    _table(made, note)
    made.add_heading(t("briefing.restatements"), 2)
    _list(made, note["restated"], t("briefing.none_restated"))
    made.add_heading(t("briefing.meaning"), 1)
    for each in note["signals"]:
        made.add_heading(each["name"], 2)
        made.add_paragraph(" ".join(each["says"]))
        if each["chart"]:
            shape = made.add_picture(io.BytesIO(_picture(each["chart"])), width=Cm(7))
            shape._inline.docPr.set("descr", each["alt"])
    if not note["signals"]:
        made.add_paragraph(t("briefing.no_signal"))
    made.add_heading(t("briefing.late_or_held"), 1)
    _list(made, note["late"], t("briefing.nothing_late"))
    return _packed(made)


@cache
def _template() -> bytes:
    """The library's empty document without the 130 styles that are not used, and without two parts that only weigh: a
    second copy of all styles for Word 2010, and a thumbnail of another document."""
    import docx
    from docx.shared import Pt

    made = docx.Document()
    for style in list(made.styles):
        name = style.name or ""
        if not (style.element.default or name.removesuffix(" Char") in STYLES or name.startswith("List ")):
            style.delete()
    made.styles["Normal"].font.size = Pt(10)
    for relations in (made.part.package.rels, made.part.rels):
        for key in [key for key, each in relations.items() if each.reltype.endswith(HEAVY)]:
            del relations[key]
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


def _describe(made: Document, title: str, author: str, lang: Lang, day: date) -> None:
    """Properties of the file, and the language of its text."""
    from docx.oxml.ns import qn

    at = datetime(day.year, day.month, day.day)
    said = made.core_properties
    said.title, said.author, said.last_modified_by, said.language = title, author, author, f"{lang}-CA"
    said.created = said.modified = at
    said.comments = ""
    for spoken in made.styles.element.iter(qn("w:lang")):
        spoken.set(qn("w:val"), f"{lang}-CA")


def _table(made: Document, note: Mapping[str, Any]) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.text.paragraph import Paragraph

    lines = [note["columns"], *(row["cells"] for row in note["rows"])]
    table = made.add_table(rows=len(lines), cols=len(note["columns"]), style=TABLE)
    # By the elements: the table's own `rows` work every cell's width out anew.
    for row, line in zip(table._tbl.tr_lst, lines, strict=True):
        properties = row.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if line is note["columns"]:
            properties.append(OxmlElement("w:tblHeader"))
        for place, (cell, said) in enumerate(zip(row.tc_lst, line, strict=True)):
            paragraph = Paragraph(cell.p_lst[0], table)
            paragraph.add_run(said)
            if place in (2, 3):
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _list(made: Document, found: list[str], none: str) -> None:
    for said in found:
        made.add_paragraph(said, style="List Bullet")
    if not found:
        made.add_paragraph(none)


@lru_cache(maxsize=64)  # both languages show the same drawing
def _picture(drawn: str) -> bytes:
    import vl_convert

    return bytes(vl_convert.svg_to_png(on_paper(drawn), scale=3))


def _packed(made: Document) -> bytes:
    """The file without the time at which each of its parts was written."""
    saved, packed = io.BytesIO(), io.BytesIO()
    made.save(saved)
    with zipfile.ZipFile(saved) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts.infolist():
            archive.writestr(zipfile.ZipInfo(part.filename, EPOCH), parts.read(part), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
