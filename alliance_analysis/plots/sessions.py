"""Figures of frames and fits; nothing is fitted here, and on real data no client's own values are drawn.

Every function draws on `ax` (a new one where none is given), with units on the axes, and returns it. Courses are bands
of quantiles, scatters are means of groups, and groups of fewer clients than `min_cell` are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betainc, ndtri

from alliance_analysis.study import vocabulary as v

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colour-blind safe palette
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#5b6470"


def _axes(ax: Axes | None, width: float = 7.0, height: float = 3.6) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    # a Figure of its own, not pyplot's: nothing global, nothing left open
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def _plain(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#d9dde3", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def _session_axis(ax: Axes) -> Axes:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Session number")
    return ax


def plot_attendance(sessions: pd.DataFrame, *, min_cell: int = 5, ax: Axes | None = None) -> Axes:
    """Draw how many clients have data at each session number (numbers below `min_cell` are left out).

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "b"], "session": [1, 1]})
    >>> plot_attendance(frame, min_cell=1).get_xlabel()
    'Session number'
    """
    ax = _plain(_axes(ax))
    counts = sessions.groupby(v.SESSION)[v.CLIENT].nunique()
    counts = counts[counts >= min_cell]
    ax.bar(counts.index, counts.to_numpy(), color=BLUE, width=0.8)
    ax.set(ylabel="Clients with data", ylim=(0, None))
    return _session_axis(ax)


def plot_missing(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of missing values by session number and measure (from `describe_missing`) as a heat map."""
    import seaborn

    columns = [name for name in shares if name not in (v.SESSION, "n_clients")]
    ax = _axes(ax, height=1.2 + 0.32 * len(columns))
    table = 100 * shares.set_index(v.SESSION)[columns].T
    seaborn.heatmap(
        table, ax=ax, cmap="cividis_r", vmin=0, vmax=max(10.0, float(table.max().max())), linewidths=0.5,
        cbar_kws={"label": "Missing (%)"},
    )  # fmt: skip
    ax.set(xlabel="Session number", ylabel="")
    ax.set_yticks(np.arange(len(columns)) + 0.5, columns, rotation=0)
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
    ax = _plain(_axes(ax))
    grouped = sessions.dropna(subset=[column]).groupby(v.SESSION)[column]
    count = grouped.count()
    middle, wide = count[count >= min_cell].index, count[count >= 2 * min_cell].index
    for index, (low, high), alpha in ((wide, (0.1, 0.9), 0.18), (middle, (0.25, 0.75), 0.35)):
        below, above = ([_quantile(grouped.get_group(k), q) for k in index] for q in (low, high))
        name = f"middle {100 * (high - low):.0f} %"
        ax.fill_between(index, below, above, color=BLUE, alpha=alpha, linewidth=0, label=name)
    ax.plot(middle, [_quantile(grouped.get_group(k), 0.5) for k in middle], color=BLUE, linewidth=2, label="median")
    ax.set_ylabel(label or column)
    ax.legend(frameon=False, fontsize=8)
    return _session_axis(ax)


def _quantile(values: pd.Series, q: float) -> float:
    """Return the Harrell-Davis quantile: a weighted mean of all values, so never one client's own value.

    Harrell & Davis 1982, 10.1093/biomet/69.3.635.
    """
    n = len(values)
    edges = betainc((n + 1) * q, (n + 1) * (1 - q), np.arange(n + 1) / n)
    return float(np.diff(edges) @ np.sort(values.to_numpy(float)))


def plot_variance_shares(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the shares of variance of `describe_variance`, one bar per measure, as percent."""
    measures = list(dict.fromkeys(shares["measure"]))
    ax = _axes(ax, height=1.1 + 0.45 * len(measures))
    left = np.zeros(len(measures))
    colours = {"between therapists": ORANGE, "between clients": BLUE, "within clients": "#9ecae1"}
    for level, colour in colours.items():
        part = shares[shares["level"] == level].set_index("measure")["share"].reindex(measures).astype(float).fillna(0)
        ax.barh(measures, 100 * part.to_numpy(), left=left, color=colour, label=level)
        left += 100 * part.to_numpy()
    ax.set(xlabel="Share of variance (%)", xlim=(0, 100))
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def plot_estimates(
    table: pd.DataFrame,
    *,
    columns: tuple[str, str, str] = ("estimate", "conf_low", "conf_high"),
    names: str = "term",
    label: str = "Estimate with 95 % interval",
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates with their intervals, one row each, and a line at zero.

    Parameters
    ----------
    table : DataFrame
    columns : (str, str, str)
        Estimate, lower and upper limit.
    names : str
        The column that names the rows.
    label : str
        What the horizontal axis shows, with its unit.
    """
    from matplotlib.ticker import MaxNLocator

    ax = _axes(ax, height=1.1 + 0.42 * len(table))
    ax.xaxis.set_major_locator(MaxNLocator(5))  # long row names leave a narrow panel: more labels would run together
    middle, low, high = (table[name].to_numpy(float) for name in columns)
    y = np.arange(len(table))
    ax.axvline(0, color=GREY, linewidth=1)
    ax.hlines(y, low, high, color=BLUE, linewidth=2)
    ax.plot(middle, y, "o", color=BLUE, markersize=6)
    ax.set_yticks(y, table[names])
    ax.set(xlabel=label, ylim=(len(table) - 0.5, -0.5))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_binned(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    labels: Mapping[str, str] | None = None,
    min_cell: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Draw one value per client against another as means of groups of clients, with the least-squares line.

    Parameters
    ----------
    table : DataFrame
        One row per client.
    x, y : str
        Columns; clients are grouped by `x` into groups of equal size, at least ten and at least `min_cell` clients.
    labels : mapping, optional
        Column to axis label with unit.
    min_cell : int
        Smallest group that may be drawn.

    Returns
    -------
    Axes
        Points are group means, bars 95 % intervals of the mean of `y`.

    Examples
    --------
    >>> table = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0)})
    >>> len(plot_binned(table, "a", "b").lines[0].get_xdata())
    6
    """
    ax = _plain(_axes(ax, width=5.6, height=3.8))
    ordered = table.sort_values([x, y])
    count = int(np.clip(len(ordered) // max(10, min_cell), 1, 10))
    if len(ordered) < min_cell:
        ax.text(0.5, 0.5, f"fewer than {min_cell} clients: not drawn", transform=ax.transAxes, ha="center")
        return ax
    groups = ordered.groupby(np.arange(len(ordered)) * count // len(ordered))
    means = groups[[x, y]].mean()
    half = ndtri(0.975) * groups[y].std() / np.sqrt(groups[y].count())
    ax.plot(means[x], means[y], "o", color=BLUE, markersize=6)
    ax.vlines(means[x], means[y] - half, means[y] + half, color=BLUE, linewidth=2)
    if count > 1 and table[x].nunique() > 1:
        slope, intercept = np.polyfit(table[x], table[y], 1)
        ends = means[x].iloc[[0, -1]].to_numpy()
        ax.plot(ends, intercept + slope * ends, color=ORANGE, linewidth=1.5)
    names = labels or {}
    ax.set(xlabel=names.get(x, x), ylabel=names.get(y, y))
    return ax


FEWEST_THERAPISTS = 20  # below, a figure of therapists would show single persons


def plot_effects(effects: pd.DataFrame, *, label: str = "Predicted effect", ax: Axes | None = None) -> Axes:
    """Draw how therapists' predicted effects are spread: median and bands, without ids, order or single persons.

    Parameters
    ----------
    effects : DataFrame
        Rows of `random_effects()` of one group and term; below 20 rows nothing is drawn but a sentence.
    label : str
        What the horizontal axis shows, with its unit.

    Examples
    --------
    >>> plot_effects(pd.DataFrame({"estimate": np.arange(24.0)}), label="points").get_xlabel()
    'points'
    """
    ax = _axes(ax, width=5.6, height=1.6)
    ax.set(yticks=[], ylim=(-1, 1))
    ax.spines[["top", "right", "left"]].set_visible(False)
    if len(effects) < FEWEST_THERAPISTS:
        sentence = f"fewer than {FEWEST_THERAPISTS} therapists: not drawn"
        ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center")
        ax.set_xticks([])
        return ax
    values = effects["estimate"]
    for (low, high), width in (((0.1, 0.9), 3), ((0.25, 0.75), 10)):
        name = f"middle {100 * (high - low):.0f} % of therapists"
        ends = [_quantile(values, low), _quantile(values, high)]
        ax.plot(ends, [0, 0], color=BLUE, linewidth=width, alpha=0.6, label=name, solid_capstyle="butt")
    ax.plot([_quantile(values, 0.5)], [0], "o", color=ORANGE, markersize=6, label="median")
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_xlabel(label)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
