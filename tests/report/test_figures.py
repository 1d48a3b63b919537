"""A figure is the same bytes each time, carries its alt text, and its SIMULATED mark where it must."""

import base64
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.report.figures import count_marks, figure_html, set_figure_style


@pytest.fixture(autouse=True)
def figure_style():
    with plt.rc_context():
        plt.switch_backend("agg")
        set_figure_style()
        yield


def draw(label="a line", points=3):
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot(np.arange(points), np.arange(points), "o", label=label)
    axes.legend()
    return figure


def html_of(figure, simulated=False, **words):
    return figure_html(
        figure, **{"alt": "Rises.", "caption": "A line.", "label": "Figure 1"} | words, simulated=simulated
    )


def picture(html):
    return base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])


def test_two_drawings_of_the_same_figure_are_the_same_bytes():
    assert html_of(draw()) == html_of(draw())


def test_svg_has_no_date_no_creator_no_script():
    svg = picture(html_of(draw())).decode()
    assert "<svg" in svg
    assert not re.search(r"dc:date|dc:creator|<script|Matplotlib v", svg)


def test_figure_is_closed_afterwards():
    html_of(draw())
    assert plt.get_fignums() == []


def test_simulated_study_marks_the_figure():
    assert "<!-- SIMULATED -->" in picture(html_of(draw(), simulated=True)).decode()
    assert "SIMULATED" not in picture(html_of(draw())).decode()


def test_many_marks_become_a_bitmap():
    assert "data:image/svg+xml;base64," in html_of(draw(points=1999))
    assert picture(html_of(draw(points=2500))).startswith(b"\x89PNG")


def test_marks_of_lines_points_and_bars_are_counted():
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [1, 2, 3])
    axes.scatter([1, 2], [1, 2])
    axes.bar([1, 2, 3, 4], [1, 1, 1, 1])
    assert count_marks(figure) == 9
    plt.close(figure)


def test_a_label_that_looks_like_mathematics_or_markup_is_text():
    html = html_of(draw(label=r"$\alpha</text><script>"), alt='"><script>', caption="<b>x</b>")
    assert "<script" not in html
    assert "<script" not in picture(html).decode()
    assert 'alt="&quot;&gt;&lt;script&gt;"' in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"alt": " "},
            "Figure 1: alt is ' '; a text is required. In alt=, say what the figure shows, with its numbers.",
        ),
        (
            {"caption": None},
            "Figure 1: caption is None; a text is required. In caption=, say what is drawn, in one sentence.",
        ),
    ],
)
def test_figure_without_words_is_refused(words, message):
    figure = draw()
    with pytest.raises(ReportError) as error:
        html_of(figure, **words)
    assert str(error.value) == message
    plt.close(figure)


@pytest.mark.parametrize(("inches", "kind"), [(7, "picture broad"), (3, "picture")])
def test_a_broad_picture_scrolls_before_its_text_becomes_too_small(inches, kind):
    figure, _ = plt.subplots(figsize=(inches, 2))
    assert html_of(figure).startswith(
        f'<figure class="{kind}"><div class="box" role="region" tabindex="0" aria-label="Figure 1"><img '
    )
