"""Figures of sessions: attendance, what is missing, the course of a measure, where its variance lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_analysis.plots.axes import BLUE, LIGHT_BLUE, ORANGE, new_axes, plain, session_axis, smooth_quantile
from alliance_analysis.study import vocabulary as v
from alliance_analysis.wording import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_attendance(sessions: pd.DataFrame, *, min_cell: int = 5, ax: Axes | None = None) -> Axes:
    """Draw how many clients have data at each session number (numbers below `min_cell` are left out).

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "b"], "session": [1, 1]})
    >>> plot_attendance(frame, min_cell=1).get_xlabel()
    'Session number'
    """
    ax = plain(new_axes(ax))
    counts = sessions.groupby(v.SESSION)[v.CLIENT].nunique()
    counts = counts[counts >= min_cell]
    ax.bar(counts.index, counts.to_numpy(), color=BLUE, width=0.8)
    ax.set(ylabel="Clients with data", ylim=(0, None))
    return session_axis(ax)


def plot_missing(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of missing values by session number and measure (from `describe_missing`) as a heat map."""
    import seaborn

    columns = [name for name in shares if name not in (v.SESSION, "n_clients")]
    ax = new_axes(ax, height=1.2 + 0.32 * len(columns))
    table = 100 * shares.set_index(v.SESSION)[columns].T
    seaborn.heatmap(
        table, ax=ax, cmap="cividis_r", vmin=0, vmax=max(10.0, float(table.max().max())), linewidths=0.5,
        cbar_kws={"label": "Missing (%)"},
    )  # fmt: skip
    ax.set(xlabel="Session number", ylabel="")
    ax.set_yticks(np.arange(len(columns)) + 0.5, [spoken(name) for name in columns], rotation=0)
    return ax


def plot_course(
    sessions: pd.DataFrame, column: str, *, label: str | None = None, min_cell: int = 5, ax: Axes | None = None
) -> Axes:
    """Draw a measure's course over sessions: median and bands that hold the middle 50 % and 80 % of clients.

    Parameters
    ----------
    sessions : DataFrame
    column : str
    label : str, optional
        The measure with its unit, for the axis.
    min_cell : int
        A band of 80 % is drawn where at least twice this many clients have a value; nothing is drawn below it.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": list("abcde"), "session": 1, "x": [1.0, 2, 3, 4, 5]})
    >>> plot_course(frame, "x").get_ylabel()
    'x'
    """
    ax = plain(new_axes(ax))
    grouped = sessions.dropna(subset=[column]).groupby(v.SESSION)[column]
    count = grouped.count()
    middle, wide = count[count >= min_cell].index, count[count >= 2 * min_cell].index
    for index, (low, high), alpha in ((wide, (0.1, 0.9), 0.18), (middle, (0.25, 0.75), 0.35)):
        below, above = ([smooth_quantile(grouped.get_group(k), q) for k in index] for q in (low, high))
        name = f"middle {100 * (high - low):.0f} %"
        ax.fill_between(index, below, above, color=BLUE, alpha=alpha, linewidth=0, label=name)
    ax.plot(
        middle, [smooth_quantile(grouped.get_group(k), 0.5) for k in middle], color=BLUE, linewidth=2, label="median"
    )
    ax.set_ylabel(label or column)
    ax.legend(frameon=False, fontsize=8)
    return session_axis(ax)


def plot_variance_shares(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the shares of variance of `describe_variance`, one bar per measure, as percent."""
    measures = list(dict.fromkeys(shares["measure"]))
    ax = new_axes(ax, height=1.1 + 0.45 * len(measures))
    left = np.zeros(len(measures))
    colours = {"between therapists": ORANGE, "between clients": BLUE, "within clients": LIGHT_BLUE}
    for level, colour in colours.items():
        part = shares[shares["level"] == level].set_index("measure")["share"].reindex(measures).astype(float).fillna(0)
        ax.barh([spoken(name) for name in measures], 100 * part.to_numpy(), left=left, color=colour, label=level)
        left += 100 * part.to_numpy()
    ax.set(xlabel="Share of variance (%)", xlim=(0, 100))
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
