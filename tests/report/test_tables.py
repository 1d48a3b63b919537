"""Every cell of a table is escaped, numbers are rounded once, and the markup is accessible."""

import csv
import io
import json
import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.arranged import read_table
from alliance_analysis.report.results import csv_text, slug
from alliance_analysis.report.tables import arrange_table, render_html, table_html

HOSTILE = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_every_text_of_a_table_is_escaped():
    frame = pd.DataFrame({HOSTILE: [HOSTILE], "status": [HOSTILE]})
    html = table_html(frame, caption=HOSTILE, number=1, note=HOSTILE)
    assert "<script" not in html
    assert html.count(ESCAPED) == 6  # region name, caption, heading, two cells, note


def test_status_is_a_word_and_a_colour_only_when_it_is_one():
    html = table_html(pd.DataFrame({"check": ["a", "b"], "status": ["amber", 'x" onclick="f']}), caption="c")
    assert '<span class="status amber">amber</span>' in html
    assert '<span class="status">x&quot; onclick=&quot;f</span>' in html


def test_table_has_caption_scopes_interval_column_and_rounded_numbers():
    frame = pd.DataFrame(
        {
            "term": ["time"],
            "estimate": [-0.5123],
            "df": [12.345],
            "p_value": [0.0123],
            "conf_low": [-1.0],
            "conf_high": [0.25],
        }
    )
    html = table_html(frame, caption="Estimates", number=1, conf_level=0.975)
    assert html == (
        '<figure class="table"><div class="box" role="region" tabindex="0" aria-label="Table 1: Estimates">'
        "<table><caption><span><b>Table 1.</b> Estimates</span></caption><thead><tr>"
        '<th scope="col">Term</th><th scope="col" class="num">Estimate</th><th scope="col" class="num">df</th>'
        '<th scope="col" class="num">p</th><th scope="col" class="num">97.5 % CI</th></tr></thead>'
        '<tbody><tr><th scope="row">time</th><td class="num">−0.51</td><td class="num">12.3</td>'
        '<td class="num">.012</td><td class="num">[−1.00, 0.25]</td></tr></tbody></table></div></figure>'
    )


def test_digits_can_be_named_per_column_and_whole_columns_have_none():
    frame = pd.DataFrame({"name": ["a"], "r": [0.12345], "icc": [0.12345], "n_clients": [1200.0], "whole": [7.0]})
    html = table_html(frame, caption="c", digits={"r": 3})
    assert ">0.123<" in html
    assert ">0.12<" in html
    assert ">1,200<" in html
    assert ">7<" in html


def test_named_index_becomes_columns_and_repeated_names_survive():
    frame = pd.DataFrame([[1, True]], index=pd.Index(["within"], name="level"), columns=["x", "x"])
    html = table_html(frame, caption="c")
    assert '<th scope="col">Level</th><th scope="col" class="num">x</th><th scope="col">x</th>' in html
    assert '<th scope="row">within</th><td class="num">1</td><td>yes</td>' in html


def test_missing_cells_are_dashes():
    html = table_html(pd.DataFrame({"a": ["x", None], "b": [np.nan, 0.5]}), caption="c")
    assert '<td class="num">–</td>' in html
    assert '<th scope="row">–</th>' in html


def test_headings_are_words_and_other_names_stay_as_they_are():
    names = ["std_error", "n_clients", "lost_sessions", "aicc", "r", "WAI-SR mean", "x1"]
    html = table_html(pd.DataFrame([[0] * len(names)], columns=names), caption="c")
    found = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', html)
    assert found == ["SE", "Clients", "Lost sessions", "AICc", "r", "WAI-SR mean", "X1"]


def test_long_texts_keep_a_readable_width():
    html = table_html(pd.DataFrame({"check": ["a long name of a check"], "why": ["short"]}), caption="c")
    assert '<th scope="row" class="long">a long name of a check</th><td>short</td>' in html


def test_shares_are_percent_and_an_empty_note_is_left_out():
    frame = pd.DataFrame({"x": ["a"], "missing_share": [0.125], "share": [1.0], "note": [""]})
    html = table_html(frame, caption="Shares")
    assert ">Missing<" in html
    assert ">12 %<" in html.replace("&nbsp;", " ")
    assert ">100 %<" in html.replace("&nbsp;", " ")
    assert "Note" not in html


def cells_of(html):
    return [text.replace("&nbsp;", " ") for text in re.findall(r'<td class="num">(.*?)</td>', html)]


def test_numbers_of_one_column_have_the_same_decimals():
    frame = pd.DataFrame({"x": list("abcd"), "estimate": [1.5, 0.0036, -0.0036, 3.2e-33]})
    assert cells_of(table_html(frame, caption="c")) == ["1.50", "&lt; 0.01", "&gt; −0.01", "0.00"]


def test_a_column_of_small_numbers_gets_more_decimals_and_so_does_its_interval():
    frame = pd.DataFrame(
        {"x": ["a", "b"], "estimate": [0.0036, 0.00012], "conf_low": [-0.001, 0.0], "conf_high": 0.004}
    )
    assert cells_of(table_html(frame, caption="c")) == [
        "0.0036", "[−0.0010, 0.0040]", "0.0001", "[0.0000, 0.0040]"
    ]  # fmt: skip


def test_a_frame_without_rows_says_none_or_what_it_is_told():
    frame = pd.DataFrame({"term": [], "truth": []})
    assert table_html(frame, caption="Truth", number=1, note="n") == (
        '<figure class="table"><figcaption><b>Table 1.</b> Truth</figcaption><p class="empty">none</p>'
        '<p class="note">n</p></figure>'
    )
    assert f'<p class="empty">{ESCAPED}</p>' in table_html(frame, caption="c", empty=HOSTILE)


def test_a_table_with_sentences_takes_the_full_width():
    wide = table_html(pd.DataFrame({"note": ["a sentence that is rather long"]}), caption="c")
    assert wide.startswith('<figure class="table wide">')
    assert table_html(pd.DataFrame({"a": ["x"]}), caption="c").startswith('<figure class="table"><div')


def test_columns_of_advice_without_any_are_left_out():
    frame = pd.DataFrame({"check": ["a"], "what_to_do": [""], "note": [""], "why": [""]})
    assert re.findall(r'<th scope="col">(.*?)</th>', table_html(frame, caption="c")) == ["Check", "Why"]


def test_an_estimate_with_its_interval_may_break_between_the_two_only():
    html = table_html(pd.DataFrame({"a": ["x"], "own": ["−0.25 [−0.40, −0.10]"]}), caption="c")
    assert "<td>−0.25 [−0.40,&nbsp;−0.10]</td>" in html


def test_the_page_and_the_word_file_share_one_table_that_survives_json():
    frame = pd.DataFrame({"term": ["a b", HOSTILE], "estimate": [0.5, np.nan], "status": ["amber", "green"]})
    table = arrange_table(frame, caption=HOSTILE, number=3, note="n")
    assert read_table(json.loads(json.dumps(asdict(table)))) == table
    assert [(column.kind, column.cells) for column in table.columns] == [
        ("text", ("a\u00a0b", HOSTILE)), ("number", ("0.50", "–")), ("status", ("amber", "green"))
    ]  # fmt: skip
    assert render_html(table) == table_html(frame, caption=HOSTILE, number=3, note="n")


def test_a_table_whose_only_column_is_left_out_is_empty():
    html = table_html(pd.DataFrame({"note": []}), caption="c")
    assert html == '<figure class="table"><figcaption>c</figcaption><p class="empty">none</p></figure>'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_text_of_a_csv_is_run_as_a_formula(start):
    frame = pd.DataFrame({"label": [f"{start}cmd|' /C calc'!A0", "a=b"]})
    with io.StringIO(csv_text(frame), newline="") as file:
        assert list(csv.reader(file)) == [["label"], [f"'{start}cmd|' /C calc'!A0".replace("\r", "\n")], ["a=b"]]


def test_a_line_break_of_any_kind_stays_inside_its_cell():
    frame = pd.DataFrame({"label": ["a\r=1+1", "b\r\n=1+1"], "r": [0.5, 0.25]})
    assert csv_text(frame) == 'label,r\n"a\n=1+1",0.5\n"b\n=1+1",0.25\n'


def test_numbers_of_a_csv_stay_numbers_in_full():
    frame = pd.DataFrame(
        {
            "estimate": [-0.1 - 0.2, np.inf],
            "n": pd.array([-3, None], dtype="Int64"),
            "mixed": [-1.5, "-1.5"],
            "holds": [True, False],
        }
    )
    assert csv_text(frame) == "estimate,n,mixed,holds\n-0.30000000000000004,-3,-1.5,True\ninf,,'-1.5,False\n"


def test_columns_of_a_csv_are_snake_case_and_differ():
    names = ["Consistent, tau .05", "x", "x_2", "x", "=Größe (cm)", "", "x"]
    text = csv_text(pd.DataFrame([range(7)], columns=names))
    assert text.splitlines()[0] == "consistent_tau_05,x,x_2,x_3,größe_cm,column,x_4"


def test_a_csv_keeps_letters_commas_and_quotes_and_may_have_no_row():
    frame = pd.DataFrame({"a": ['Ü, "漢"', "two\nlines"]})
    assert pd.read_csv(io.StringIO(csv_text(frame)))["a"].tolist() == frame["a"].tolist()
    assert csv_text(pd.DataFrame({"Term": [], "r": []})) == "term,r\n"


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("漢字", "table"),
        ("x" * 70, "x" * 60),
        ("Straße <b>& Ärzte</b>.", "strae-b-arzte-b"),
        ("a" * 58 + " bc", "a" * 58),
    ],
)
def test_a_caption_becomes_a_safe_part_of_a_file_name(caption, name):
    assert slug(caption) == name
