"""The Word file holds the tables of the pages, in the style of the APA, and the same bytes each time."""

import io
import re
import zipfile
from dataclasses import asdict

import docx
import pandas as pd
import pytest
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn

from alliance_analysis.report.arranged import LANDSCAPE, NUMBER, TEXT, Column, Table, choose_layout
from alliance_analysis.report.tables import arrange_table
from alliance_analysis.report.word import word_document

STUDY = {
    "name": "clinic", "title": "A clinic", "source": None, "simulated": True, "n_sessions": 72, "n_clients": 12,
    "n_therapists": 3,
}  # fmt: skip
ESTIMATES = pd.DataFrame(
    {
        "term": ["time", "alliance <b>& Ü"],
        "estimate": [-0.5123, 0.0004],
        "df": [12.345, 7.0],
        "p_value": [0.0123, 0.00001],
        "conf_low": [-1.0, -0.2],
        "conf_high": [0.25, 0.3],
        "status": ["amber", "green"],
    }
)
HOSTILE = "A <b>bold</b> & “odd” caption"


def report(*tables, number="03", **changed):
    entry = {
        "report": number, "title": "How far do client and therapist agree?", "status": "answered", "older": False,
        "failure": "", "file": f"{number}_agreement.html", "tables": [asdict(table) for table in tables],
    }  # fmt: skip
    return entry | changed


def written(*reports, **study):
    return word_document({"study": STUDY | study, "reports": reports})


def opened(*reports, **study):
    return docx.Document(io.BytesIO(written(*reports, **study)))


def paragraphs(document):
    return [(paragraph.style.name, paragraph.text) for paragraph in document.paragraphs]


def edges(cell):
    return [border.tag.split("}")[1] for border in cell._tc.xpath("w:tcPr/w:tcBorders/*")]


@pytest.fixture
def document():
    first = arrange_table(ESTIMATES, caption=f"{HOSTILE}.", number=4, note="REML; df by Satterthwaite.")
    return opened(report(first))


def test_number_title_table_and_note_follow_each_other_under_the_heading_of_the_report(document):
    assert paragraphs(document)[-5:] == [
        ("Heading 1", "03 How far do client and therapist agree?"),
        ("Report status", "Answered. The page 03_agreement.html says more."),
        ("Table number", "Table 03.4"),
        ("Table title", HOSTILE),
        ("Table note", "Note. REML; df by Satterthwaite."),
    ]
    order = [element.tag.split("}")[1] for element in document.element.body][-5:]
    assert order == ["p", "p", "tbl", "p", "sectPr"]
    styles = document.styles
    assert (styles["Table number"].font.bold, styles["Table number"].font.italic) == (True, False)
    assert (styles["Table title"].font.bold, styles["Table title"].font.italic) == (False, True)
    assert [(run.text, run.italic) for run in document.paragraphs[-1].runs] == [
        ("Note.", True), (" REML; df by Satterthwaite.", None)
    ]  # fmt: skip


def test_cells_are_those_of_the_page(document):
    rows = [[cell.text.replace("\u00a0", " ") for cell in row.cells] for row in document.tables[0].rows]
    assert rows == [
        ["Term", "Estimate", "df", "p", "95 % CI", "Status"],
        ["time", "−0.51", "12.3", ".012", "[−1.00, 0.25]", "amber"],
        ["alliance <b>& Ü", "< 0.01", "7.0", "< .001", "[−0.20, 0.30]", "green"],
    ]


def test_there_are_three_horizontal_rules_and_no_other(document):
    table = document.tables[0]
    assert [{tuple(edges(cell)) for cell in row.cells} for row in table.rows] == [
        {("top", "bottom")}, {()}, {("bottom",)}
    ]  # fmt: skip
    assert table._tbl.xpath("w:tblPr/w:tblBorders | w:tblPr/w:tblStyle") == []
    assert table._tbl.xpath(".//w:shd | .//w:color") == []
    assert {border.get(qn("w:val")) for border in table._tbl.xpath(".//w:tcBorders/*")} == {"single"}


def test_a_table_of_one_row_has_its_three_rules_too():
    table = opened(report(arrange_table(pd.DataFrame({"a": ["x"]}), caption="c", number=1))).tables[0]
    assert [edges(row.cells[0]) for row in table.rows] == [["top", "bottom"], ["bottom"]]


def test_numbers_are_aligned_on_the_right_and_texts_on_the_left(document):
    head, first, _ = document.tables[0].rows
    for row in (head, first):
        styles = [cell.paragraphs[0].style for cell in row.cells]
        assert [style.name for style in styles] == ["Table text", *["Table figures"] * 4, "Table text"]
    assert document.styles["Table figures"].paragraph_format.alignment == WD_ALIGN_PARAGRAPH.RIGHT
    assert document.styles["Table text"].paragraph_format.alignment == WD_ALIGN_PARAGRAPH.LEFT


def test_statistics_are_in_italics_in_the_headings_only(document):
    head, first, _ = document.tables[0].rows
    italic = [[cell.paragraphs[0].runs[0].italic for cell in row.cells] for row in (head, first)]
    assert italic == [[None, None, True, True, None, None], [None] * 6]


def test_headings_repeat_and_no_row_is_parted():
    frame = pd.DataFrame({"term": [f"t{i}" for i in range(40)], "r": 0.5})
    rows = opened(report(arrange_table(frame, caption="c", number=1))).tables[0].rows
    assert [bool(row._tr.xpath("w:trPr/w:tblHeader")) for row in rows] == [True] + [False] * 40
    assert all(row._tr.xpath("w:trPr/w:cantSplit") for row in rows)
    kept = [bool(row._tr.xpath(".//w:keepNext")) for row in rows]
    assert kept == [True, True, *[False] * 37, True, False]  # never one row alone on a page


def test_the_same_tables_give_the_same_bytes():
    tables = arrange_table(ESTIMATES, caption="c", number=1), arrange_table(ESTIMATES, caption="d", number=2)
    assert written(report(*tables)) == written(report(*tables))


def test_no_part_of_the_file_names_a_time_a_person_or_a_program():
    packed = zipfile.ZipFile(io.BytesIO(written(report(arrange_table(ESTIMATES, caption="c", number=1)))))
    assert {(part.date_time, part.create_system) for part in packed.infolist()} == {((1980, 1, 1, 0, 0, 0), 0)}
    core = packed.read("docProps/core.xml").decode()
    assert re.findall(r">([^<\s][^<]*)<", core) == ["A clinic", "en"]
    assert sorted(name for name in packed.namelist() if name.startswith(("docProps", "custom"))) == [
        "docProps/core.xml"
    ]
    for name in packed.namelist():
        assert b"python-docx" not in packed.read(name), name


def test_every_page_of_a_simulated_study_is_marked():
    wide = arrange_table(pd.DataFrame({f"column_{i}": [0.5] for i in range(20)}), caption="Wide", number=2)
    narrow = arrange_table(ESTIMATES, caption="c", number=1)
    document = opened(report(narrow, wide, narrow))
    assert [section.orientation for section in document.sections] == [
        WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE, WD_ORIENT.PORTRAIT
    ]  # fmt: skip
    assert {section.header.paragraphs[0].text for section in document.sections} == {"SIMULATED · A clinic"}
    assert not any(section.different_first_page_header_footer for section in document.sections)
    assert not document.settings.odd_and_even_pages_header_footer
    assert any(text.startswith("SIMULATED These data were generated by a program.") for _, text in paragraphs(document))


def test_a_real_study_is_not_marked():
    document = opened(report(arrange_table(ESTIMATES, caption="c", number=1)), simulated=False, n_therapists=None)
    assert document.sections[0].header.paragraphs[0].text == "A clinic"
    assert not any("SIMULATED" in text for _, text in paragraphs(document))
    assert paragraphs(document)[1] == ("Normal", "Tables of the reports on 72 sessions of 12 clients.")


def test_reports_of_an_older_run_failed_ones_and_those_without_tables_are_named():
    table = arrange_table(ESTIMATES, caption="c", number=1)
    document = opened(
        report(table, older=True, status="caution", failure="03_agreement: KeyError"),
        report(number="05", title="What predicts what?", status="not_answerable"),
    )
    texts = [text for _, text in paragraphs(document)]
    assert (
        "With caution. From an older run. Failed: the last run failed (03_agreement: KeyError). These tables are those"
        " of the run before it. The page 03_agreement.html says more."
    ) in texts
    assert "Reports without tables: 05 What predicts what? (not answerable)." in texts
    assert [text for style, text in paragraphs(document) if style == "Heading 1"] == [
        "03 How far do client and therapist agree?"
    ]


def test_a_table_without_rows_says_so_in_place_of_the_grid():
    table = arrange_table(pd.DataFrame({"note": []}), caption="Truth.", number=1, note="n", empty="none is known")
    document = opened(report(table))
    assert document.tables == []
    assert paragraphs(document)[-3:] == [
        ("Table title", "Truth"), ("Table text", "none is known"), ("Table note", "Note. n")
    ]  # fmt: skip


def test_letters_that_xml_cannot_hold_are_left_out():
    frame = pd.DataFrame({"a": ["x\x00y\x1b 漢字"]})
    table = arrange_table(frame, caption="c\x07", number=1, note="n\x0b")
    document = opened(report(table, title="t\x01"))
    assert document.tables[0].rows[1].cells[0].text.replace("\u00a0", " ") == "xy 漢字"
    assert paragraphs(document)[-1] == ("Table note", "Note. n")


def test_a_very_wide_table_gets_smaller_type_on_a_landscape_page_and_stays_on_it():
    frame = pd.DataFrame({f"number_{i}": [12.345] for i in range(30)})
    document = opened(report(arrange_table(frame, caption="c", number=1)))
    table = document.tables[0]
    assert document.sections[-1].orientation == WD_ORIENT.LANDSCAPE
    assert table.rows[1].cells[0].paragraphs[0].runs[0].font.size.pt < 10
    section = document.sections[-1]
    room = section.page_width - section.left_margin - section.right_margin
    assert sum(column.width for column in table.columns) <= room


def test_columns_get_the_room_they_need():
    sentence = "a sentence that goes on for much longer than one line of a narrow column could hold " * 3
    table = Table(1, "c", None, "none", (Column("Why", TEXT, (sentence,)), Column("r", NUMBER, ("[−0.25, 0.10]",))))
    layout = choose_layout(table)
    assert (layout.landscape, layout.size) == (False, 10.0)
    assert layout.widths[0] > 5 * layout.widths[1] > 5 * 60
    endless = Table(1, "c", None, "none", tuple(Column("x" * 40, TEXT, ("y",)) for _ in range(40)))
    assert LANDSCAPE - 5 < sum(choose_layout(endless).widths) <= LANDSCAPE
