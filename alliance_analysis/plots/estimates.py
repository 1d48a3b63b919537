"""Figures of estimates and of one value per client: intervals, means of groups of clients, spreads of effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_analysis.plots.axes import BLUE, GREY, ORANGE, new_axes, plain, smooth_quantile
from alliance_analysis.wording import spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_THERAPISTS = 20  # below, a figure of therapists would show single persons


def plot_estimates(
    table: pd.DataFrame,
    *,
    columns: tuple[str, str, str] = ("estimate", "conf_low", "conf_high"),
    names: str = "term",
    label: str = "Estimate with 95 % interval",
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates with their intervals, one row each, and a line at zero; a withheld estimate leaves its row open.

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

    ax = new_axes(ax, height=1.1 + 0.42 * len(table))
    ax.xaxis.set_major_locator(MaxNLocator(5))  # long row names leave a narrow panel: more labels would run together
    middle, low, high = (table[name].to_numpy(float) for name in columns)
    if np.isnan(middle).all():
        ax.text(0.5, 0.5, "no estimate may be shown: not drawn", transform=ax.transAxes, ha="center")
        ax.set_axis_off()
        return ax
    y = np.arange(len(table))
    ax.axvline(0, color=GREY, linewidth=1)
    ax.hlines(y, low, high, color=BLUE, linewidth=2)
    ax.plot(middle, y, "o", color=BLUE, markersize=6)
    ax.set_yticks(y, [spoken(name) for name in table[names]])
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
    ax = plain(new_axes(ax, width=5.6, height=3.8))
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
    ax = new_axes(ax, width=5.6, height=1.6)
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
        ends = [smooth_quantile(values, low), smooth_quantile(values, high)]
        ax.plot(ends, [0, 0], color=BLUE, linewidth=width, alpha=0.6, label=name, solid_capstyle="butt")
    ax.plot([smooth_quantile(values, 0.5)], [0], "o", color=ORANGE, markersize=6, label="median")
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_xlabel(label)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax
