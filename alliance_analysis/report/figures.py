"""Turns a matplotlib figure into one sealed `<figure>`: the same bytes each time, no script, alt text required."""

from __future__ import annotations

import base64
import re
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_analysis.errors import ReportError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS_AS_SVG = 2000  # above it a vector file is bigger and slower to show than a bitmap
_LEAST_READABLE = 512  # pixels: a broader picture scrolls on a small screen before its text becomes too small
FIGURE_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "alliance_analysis",  # else the ids in an SVG differ from run to run
    "text.parse_math": False,  # a label such as "$\alpha" is text, never mathematics
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same glyphs on every machine
    "savefig.facecolor": "white",
}
_SIMULATED_COLOUR = "#a4262c"


def set_figure_style() -> None:
    """Set the matplotlib options on which identical reruns depend, for this process."""
    import matplotlib as mpl

    mpl.rcParams.update(FIGURE_STYLE)


def figure_html(figure: Figure, *, alt: str, caption: str, label: str, simulated: bool, key: bool = False) -> str:
    """Return a figure as HTML with its picture inside, and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What a reader who cannot see the figure needs, numbers included; not empty.
    caption : str
        Not empty.
    label : str
        Its number, such as "Figure 1".
    simulated : bool
        Draws SIMULATED under the lower right corner.
    key : bool
        Marks the figure of the answer, which the page lifts to its top.

    Returns
    -------
    str

    Raises
    ------
    ReportError
        When `alt` or `caption` is empty.
    """
    import matplotlib.pyplot as plt

    _require(alt, label, "alt", "say what the figure shows, with its numbers")
    _require(caption, label, "caption", "say what is drawn, in one sentence")
    if simulated:
        _mark_simulated(figure)
    source = _picture(figure, "svg" if count_marks(figure) <= MARKS_AS_SVG else "png")
    width = round(figure.get_figwidth() * 96)
    plt.close(figure)
    kind = "picture broad" if width > _LEAST_READABLE else "picture"
    kind = f"{kind} key" if key else kind
    return (
        f'<figure class="{kind}"><div class="box" role="region" tabindex="0" aria-label="{escape(label)}">'
        f'<img src="{source}" alt="{escape(alt)}" width="{width}"></div>'
        f"<figcaption><b>{escape(label)}.</b> {escape(caption)}</figcaption></figure>"
    )


def _mark_simulated(figure: Figure) -> None:
    # below everything that is drawn, so that it hides nothing; "tight" saving keeps it on the picture
    figure.text(0.99, -0.01, "SIMULATED", ha="right", va="top", size=8, weight="bold", color=_SIMULATED_COLOUR)


def _require(text: str, label: str, argument: str, advice: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ReportError(f"{label}: {argument} is {text!r}; a text is required. In {argument}=, {advice}.")


def count_marks(figure: Figure) -> int:
    """Return how many points, line segments and patches a figure draws."""
    marks = 0
    for axes in figure.axes:
        marks += sum(np.size(line.get_xdata()) for line in axes.lines) + len(axes.patches)
        marks += sum(max(len(np.atleast_2d(group.get_offsets())), len(group.get_paths())) for group in axes.collections)
    return marks


def _picture(figure: Figure, kind: str) -> str:
    import matplotlib as mpl

    target = BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(FIGURE_STYLE):
        figure.savefig(target, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08, dpi=160)
    media = "image/svg+xml" if kind == "svg" else "image/png"
    content = slim_svg(target.getvalue().decode("utf-8")).encode("utf-8") if kind == "svg" else target.getvalue()
    return f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"


_PATH = re.compile(r' d="([^"]*)"')
_PLACES = re.compile(r"-?\d+\.\d{3,}")


def slim_svg(svg: str) -> str:
    """Return an SVG without indentation, its paths to a hundredth of a point: much smaller, the same picture.

    Examples
    --------
    >>> slim_svg('<svg> <path d="M 1.23456 2 L 3.5 -0.00012"/> </svg>')
    '<svg><path d="M1.23 2L3.5 0"/></svg>'
    """
    return _PATH.sub(lambda path: f' d="{_slim_path(path[1])}"', re.sub(r">\s+<", "><", svg))


def _slim_path(path: str) -> str:
    # adding zero turns minus zero into zero
    rounded = _PLACES.sub(lambda number: f"{round(float(number[0]), 2) + 0:g}", path)
    joined = " ".join(rounded.split())
    return re.sub(r"(?<=[A-Za-z]) | (?=[A-Za-z])", "", joined)
