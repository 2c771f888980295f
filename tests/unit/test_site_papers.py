"""What is handed on beside the pages: the report as a tagged PDF, a division's briefing note as a Word file."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import docx
import pytest
from cityperf.site import report_pdf
from cityperf.site.model import Page
from cityperf.site.pages import briefing, report
from cityperf.site.words import LANGS, Lang
from lxml import html
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MONTHS = [date(2025 + place // 12, place % 12 + 1, 1) for place in range(18)]  # to June 2026
SEEN: dict[Lang, str] = {"en": "Requests answered", "fr": "Demandes traitées"}


def point(place: int, **changed: Any) -> dict[str, Any]:
    """A month of a series around 0.80 whose last eight months lie above the mean."""
    high = place >= 10
    return {
        "kpi_version": 1, "geography_code": "toronto", "period_grain": "month", "period_start": MONTHS[place], "phase": 1,
        "phase_points": 18, "is_trial": False, "value": Decimal("0.84" if high else "0.80"), "signal_basis": "value",
        "charted": Decimal("0.84" if high else "0.80"), "mean": Decimal("0.82"), "lower_limit": Decimal("0.76"),
        "upper_limit": Decimal("0.88"), "special_cause": "seven_on_one_side" if place >= 16 else None,
        "point_type": "improvement" if place >= 16 else "common_cause", **changed,
    }  # fmt: skip


def frozen(kpi_id: str, section: int, **changed: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(report.FIGURE), "kpi_id": kpi_id, "section_place": section,
        "section_name_en": f"Section {section}", "section_name_fr": f"Partie {section}",
        "objective_name_en": "Serve on time",
        "objective_name_fr": "Servir à temps", "name_en": f"Requests answered {kpi_id}",
        "name_fr": f"Demandes traitées {kpi_id}", "unit": "percent", "decimals": 1, "period_label_en": "Jun 2026",
        "period_label_fr": "juin 2026", "period_grain": "month", "period_start": MONTHS[-1], "value": Decimal("0.84"),
        "owner": "Customer Experience", "status": "favourable", "trend": "up", "comparison": "year", "change": Decimal("4"),
        "change_unit": "pp", "target_value": Decimal("0.85"), "target_low": Decimal("0.85"), "target_high": Decimal("0.85"),
        "is_target_met": False, "variation": "improvement", "special_cause": "seven_on_one_side",
        "assurance": "hit_or_miss", "is_restated": False, "is_redefined": False,
        "points": [point(place) for place in range(18)], **changed,
    }  # fmt: skip


def edition(*figures: dict[str, Any]) -> dict[str, Any]:
    said = {
        **dict.fromkeys(report.EDITION), "edition_id": "CPR-2026-Q2", "title_en": "Corporate report", "title_fr": "Rapport",
        "summary_en": "How the City did.", "summary_fr": "Le rendement de la Ville.", "period_start": date(2026, 4, 1),
        "period_end": date(2026, 6, 30), "as_of": date(2026, 8, 14), "signed_off_by": "City Manager",
        "signed_off_on": date(2026, 8, 12), "release_number": 3, "targets_set": 2, "targets_met": 0,
        "figures_restated": 1, "night": date(2026, 8, 14),
    }  # fmt: skip
    return {"edition": said, "figures": list(figures)}


SERVICE = edition(
    frozen("CS-01", 1, note_en="The office moved in May.", note_fr="Le bureau a déménagé en mai."),
    frozen("CS-02", 1, value=None, variation=None, special_cause=None, points=[]),
    frozen(
        "FI-01", 2, is_restated=True, latest_value=Decimal("0.83"), restatement_cause="revision", restated_in_release=5,
        points=[*(point(place) for place in range(17)), point(17, value=Decimal("0.83"))],
    ),
)  # fmt: skip


def pdf(lang: Lang = "en", *, sample: bool = True) -> bytes:
    report_pdf._typeset.cache_clear()
    return report.render(Page(f"{lang}/report/CPR-2026-Q2.pdf", "report", lang, SERVICE), 5, sample)


@pytest.fixture(scope="module")
def read() -> dict[Lang, PdfReader]:
    return {lang: PdfReader(io.BytesIO(pdf(lang))) for lang in LANGS}


def tagged(node: Any) -> Iterator[DictionaryObject]:
    """Elements of the structure tree, in its order."""
    node = node.get_object()
    if isinstance(node, DictionaryObject):
        yield node
        node = node.get("/K", [])
        node = node.get_object() if hasattr(node, "get_object") else node
        node = node if isinstance(node, list) else [node]
    for kid in node:
        if hasattr(kid, "get_object") and not isinstance(kid.get_object(), int):
            yield from tagged(kid)


@pytest.mark.parametrize("lang", LANGS)
def test_the_pdf_is_tagged_and_says_its_standard_language_and_title(
    read: dict[Lang, PdfReader], lang: Lang
) -> None:
    root: Any = read[lang].trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    assert root["/Lang"] == f"{lang}-CA"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert read[lang].metadata.title == {"en": "SAMPLE · Corporate report", "fr": "SAMPLE · Rapport"}[lang]  # type: ignore[union-attr]
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_object().get_data()


@pytest.mark.parametrize("lang", LANGS)
def test_its_outline_follows_the_sections_and_its_text_is_in_their_order(
    read: dict[Lang, PdfReader], lang: Lang
) -> None:
    def titles(found: Any) -> list[str]:
        return [t for each in found for t in (titles(each) if isinstance(each, list) else [str(each.title)])]

    section, objective = {"en": ("Section", "Serve on time"), "fr": ("Partie", "Servir à temps")}[lang]
    name = SEEN[lang]
    wanted = [
        f"{section} 1",
        objective,
        f"{name} CS-01",
        f"{name} CS-02",
        f"{section} 2",
        objective,
        f"{name} FI-01",
    ]
    listed = titles(read[lang].outline)
    start = listed.index(wanted[0])
    assert listed[start : start + len(wanted)] == wanted
    text = " ".join(page.extract_text() for page in read[lang].pages[3:])
    places = [text.index(f"{name} {kpi_id}") for kpi_id in ("CS-01", "CS-02", "FI-01")]
    assert places == sorted(places)


@pytest.mark.parametrize("lang", LANGS)
def test_every_picture_of_it_has_a_text_and_its_table_has_headings(
    read: dict[Lang, PdfReader], lang: Lang
) -> None:
    root: Any = read[lang].trailer["/Root"]
    found = list(tagged(root["/StructTreeRoot"]))
    pictures = [each for each in found if each.get("/S") == "/Figure"]
    assert len(pictures) == 2  # the KPI without a figure has no chart
    assert all("18" in each["/Alt"] and "2026" in each["/Alt"] for each in pictures)
    kinds = [each.get("/S") for each in found]
    assert kinds.count("/TH") == 7 and {"/H1", "/H2", "/H3", "/TOC", "/Link"} <= set(kinds)


def test_it_tells_figure_target_comparison_signal_note_and_restatement(read: dict[Lang, PdfReader]) -> None:
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in read["en"].pages))
    for said in (
        "14 August 2026", "Release 3", "as it is since release 5", "84.0%", "85.0%", "Not met", "Better",
        "+4.0 points on the year before", "all above the mean of 82.0%", "signal of improvement",
        "The office moved in May.", "There is no figure yet.", "now 83.0%",
        "When it was frozen: Improving (Seven points on one side of the mean).",
    ):  # fmt: skip
        assert said in text, said
    nothing = text.rsplit("Requests answered CS-02", 1)[1].split("Section 2")[0]
    assert "n/a" in nothing and "met" not in nothing.lower() and "points." not in nothing
    assert "Le bureau a déménagé en mai." in " ".join(page.extract_text() for page in read["fr"].pages)


def test_a_sample_says_so_on_every_page_and_others_on_none(read: dict[Lang, PdfReader]) -> None:
    assert all("SAMPLE" in page.extract_text() for page in read["en"].pages)
    real = PdfReader(io.BytesIO(pdf(sample=False)))
    assert not any("SAMPLE" in page.extract_text() for page in real.pages)
    assert real.metadata.title == "Corporate report"  # type: ignore[union-attr]


def test_the_same_edition_gives_the_same_bytes_and_no_time_but_that_of_its_release() -> None:
    drawn = pdf()
    assert drawn == pdf()
    assert PdfReader(io.BytesIO(drawn)).metadata["/CreationDate"].startswith("D:20260814")  # type: ignore[index]
    assert not re.search(rb"20(?!26-08-14)\d\d-\d\d-\d\dT", drawn)


def test_the_page_tells_the_size_of_the_file_beside_it() -> None:
    page = Page("en/report/CPR-2026-Q2.html", "report", "en", SERVICE)
    size = -(-len(pdf()) // 1000)
    link = html.fromstring(report.render(page, 5, True)).xpath("//a[@href='CPR-2026-Q2.pdf']")[0]
    assert link.text == f"The whole report (PDF, {size} kB)"


# -- the briefing note ---------------------------------------------------------------------------------------
CARD: dict[str, Any] = {
    "kpi_id": "CS-01", "name_en": "Requests answered", "name_fr": "Demandes traitées", "dimension": "customer_service",
    "unit": "percent", "decimals": 1, "direction": "up", "owner": "Customer Experience", "geography_type": "city",
    "geography_code": "toronto", "period_grain": "month", "period_start": MONTHS[-1], "value": Decimal("0.84"),
    "vintage": date(2026, 7, 15), "headline": "year", "change": Decimal("4"), "change_unit": "pp", "trend": "up",
    "status": "favourable", "previous_value": Decimal("0.835"), "previous_change": None, "previous_status": None,
    "last_year_value": Decimal("0.80"), "last_year_change": None, "last_year_status": None, "target_value": Decimal("0.85"),
    "target_change": Decimal("-1"), "target_status": "unfavourable", "is_target_met": False, "variation": "improvement",
    "special_cause": "seven_on_one_side", "assurance": "hit_or_miss", "recent_values": None, "next_expected_on": None,
    "stale_reason_en": None, "stale_reason_fr": None, "quality_grade": None, "late": False, "held": False,
}  # fmt: skip
LATE = {
    **CARD, "kpi_id": "CS-02", "name_en": "Calls", "name_fr": "Appels", "variation": "not_suitable", "special_cause": None,
    "late": True, "next_expected_on": date(2026, 7, 1),
}  # fmt: skip
RESTATED = {
    "period_start": MONTHS[-2], "release_number": 4, "old_value": Decimal("0.81"), "new_value": Decimal("0.835"),
    "cause": "late_data",
}  # fmt: skip
NOTE = {
    "division": "Customer Experience",
    "kpis": [
        {
            "card": card, "about": {}, "assessment": point(17), "points": [point(place) for place in range(18)],
            "comparisons": [], "restated": restated,
        }
        for card, restated in ((CARD, [RESTATED]), (LATE, []))
    ],
    "sets": [
        {"dataset": "calls", "next_delivery_due_on": None, "rows_quarantined": 4, "files_quarantined": 1,
         "stale_reason_en": "Held.", "stale_reason_fr": "Retenu."},
    ],
}  # fmt: skip


def note(form: str, lang: Lang) -> bytes:
    return briefing.render(
        Page(f"{lang}/briefing/customer-experience.{form}", "briefing", lang, NOTE), 5, True
    )


@pytest.mark.parametrize("lang", LANGS)
def test_the_word_file_says_what_the_page_says(lang: Lang) -> None:
    page, word = html.fromstring(note("html", lang)), docx.Document(io.BytesIO(note("docx", lang)))
    rows = [[" ".join(cell.text_content().split()) for cell in row] for row in page.xpath("//table//tr")]
    assert len(rows) == 3 and "84" in rows[1][2]
    assert [[" ".join(cell.text.split()) for cell in row.cells] for row in word.tables[0].rows] == rows
    paragraphs = {" ".join(each.text.split()) for each in word.paragraphs}
    for said in page.xpath(
        "//main//section//h2 | //main//section//h3 | //main//section//p | //main//section//li"
    ):
        assert " ".join(said.text_content().split()) in paragraphs


def test_a_note_tells_signal_restatement_what_is_late_and_what_is_held() -> None:
    text = "\n".join(each.text for each in docx.Document(io.BytesIO(note("docx", "en"))).paragraphs)
    for said in (
        "Of 2 measures, 1 show a signal of improvement", "The last eight months are all above the mean of 82.0%.",
        "Requests answered, May 2026: 81.0% before, 83.5% now", "Calls: a new figure was due on 1 July 2026",
        "Data set calls: 4 rows are held back", "Data set calls: 1 file is held back.", "Data set calls: Held.",
    ):  # fmt: skip
        assert said in text, said


@pytest.mark.parametrize("lang", LANGS)
def test_the_word_file_can_be_read_aloud(lang: Lang) -> None:
    word = docx.Document(io.BytesIO(note("docx", lang)))
    said = word.core_properties
    assert (
        said.language == f"{lang}-CA"
        and said.title.startswith("SAMPLE · ")
        and "Customer Experience" in said.title
    )
    assert {each.get(f"{WORD}val") for each in word.styles.element.iter(f"{WORD}lang")} == {f"{lang}-CA"}
    styles = [each.style.name for each in word.paragraphs if each.style is not None]
    assert styles[0] == "Title" and styles.count("Heading 1") == 3 and styles.count("Heading 2") == 2
    repeated = [row._tr.trPr.find(f"{WORD}tblHeader") is not None for row in word.tables[0].rows]
    assert repeated == [True, False, False]
    assert [shape._inline.docPr.get("descr").replace("\u00a0", " ") for shape in word.inline_shapes] == [
        {"en": "Small chart: 18 figures, January 2025 to June 2026, lowest 80.0%, highest 84.0%.",
         "fr": "Petit graphique : 18 chiffres, janvier 2025 à juin 2026, minimum 80,0 %, maximum 84,0 %."}[lang]
    ]  # fmt: skip
    assert "SAMPLE" in word.sections[0].header.paragraphs[0].text
    assert any("SAMPLE" in each.text for each in word.paragraphs)


def test_the_same_note_gives_the_same_bytes_and_no_time_of_its_making() -> None:
    drawn = note("docx", "en")
    assert drawn == note("docx", "en")
    with zipfile.ZipFile(io.BytesIO(drawn)) as parts:
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2026-07-15T00:00:00Z" in parts.read("docProps/core.xml")
        assert not any("thumbnail" in name for name in parts.namelist())
