"""Figures of two raters: both courses, limits of agreement, truth and bias, shares by source, the response surface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_analysis.plots.axes import (
    BLUE,
    GREEN,
    GREY,
    LIGHT_BLUE,
    ORANGE,
    new_axes,
    plain,
    session_axis,
    smooth_quantile,
)
from alliance_analysis.study import vocabulary as v

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = 10  # a side of a binned figure
FEWEST_PER_GROUP = 10  # clients behind a point


class Surface(Protocol):
    """What the figure of a response surface needs of `fit_congruence`."""

    @property
    def raters(self) -> tuple[str, str]: ...
    @property
    def support(self) -> Any: ...
    def predict_surface(self) -> np.ndarray: ...


def plot_both_courses(
    sessions: pd.DataFrame,
    first: str,
    second: str,
    *,
    labels: Mapping[str, str] | None = None,
    unit: str = "Rating",
    min_cell: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Draw both raters' courses over sessions: medians, and bands that hold the middle half of clients.

    Parameters
    ----------
    sessions : DataFrame
    first, second : str
        Columns on one scale.
    labels : mapping, optional
        Column to the rater's name.
    unit : str
        What the vertical axis shows, with its range.
    min_cell : int
        Nothing is drawn where fewer clients have a value.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": list("abcdef"), "session": 1, "x": np.arange(6.0), "y": np.arange(6.0) + 1})
    >>> plot_both_courses(frame, "x", "y", unit="points").get_ylabel()
    'points'
    """
    ax = plain(new_axes(ax))
    for column, colour, style in ((first, BLUE, "-"), (second, ORANGE, "--")):
        grouped = sessions.dropna(subset=[column]).groupby(v.SESSION)[column]
        count = grouped.count()
        index = count[count >= min_cell].index
        low, middle, high = ([smooth_quantile(grouped.get_group(k), q) for k in index] for q in (0.25, 0.5, 0.75))
        ax.fill_between(index, low, high, color=colour, alpha=0.18, linewidth=0)
        name = (labels or {}).get(column, column)
        ax.plot(index, middle, style, color=colour, linewidth=2, label=f"{name}: median, middle half")
    ax.set_ylabel(unit)
    ax.legend(frameon=False, fontsize=8)
    return session_axis(ax)


def plot_limits_of_agreement(
    pairs: pd.DataFrame,
    first: str,
    second: str,
    limits: pd.DataFrame,
    *,
    unit: str = "points",
    direction: str = "therapist minus client",
    min_cell: int = 5,
    ax: Axes | None = None,
) -> Axes:
    """Draw differences against means of two ratings, as shaded cells, with the mean difference and limits of agreement.

    Parameters
    ----------
    pairs : DataFrame
        Sessions that both rated.
    first, second : str
    limits : DataFrame
        Rows `mean difference`, `lower limit`, `upper limit` of `fit_agreement(...).tidy()`; missing ones are not drawn.
    unit : str
        Of the ratings.
    direction : str
        In words: second minus first rater.
    min_cell : int
        Cells with fewer clients are left white.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> pairs = pd.DataFrame({"client": range(200), "x": rng.normal(size=200), "y": rng.normal(size=200)})
    >>> limits = pd.DataFrame({"term": ["mean difference"], "estimate": [0.0], "conf_low": [-0.1], "conf_high": [0.1]})
    >>> plot_limits_of_agreement(pairs, "x", "y", limits).get_xlabel()
    'Mean of both ratings (points)'
    """
    ax = plain(new_axes(ax, width=6.4, height=4.0))
    x, y = ((pairs[first] + pairs[second]) / 2).to_numpy(float), (pairs[second] - pairs[first]).to_numpy(float)
    table, edges_x, edges_y = _client_counts(x, y, pairs[v.CLIENT].to_numpy(), min_cell)
    mesh = ax.pcolormesh(edges_x, edges_y, table, cmap="Blues", vmin=0, rasterized=False)
    ax.figure.colorbar(mesh, ax=ax, label="Clients in the cell")
    for term, style, colour in (
        ("mean difference", "-", ORANGE), ("lower limit", "--", GREY), ("upper limit", "--", GREY),
    ):  # fmt: skip
        row = limits[limits["term"] == term]
        if row.empty or np.isnan(row["estimate"].iloc[0]):
            continue
        ax.axhspan(row["conf_low"].iloc[0], row["conf_high"].iloc[0], color=colour, alpha=0.15, linewidth=0)
        ax.axhline(row["estimate"].iloc[0], color=colour, linestyle=style, linewidth=1.8, label=term)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel=f"Mean of both ratings ({unit})", ylabel=f"Difference, {direction} ({unit})")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.12), ncols=3)
    return ax


def _client_counts(
    x: np.ndarray, y: np.ndarray, clients: np.ndarray, min_cell: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count clients per cell of a grid over the middle 99 percent, (y, x); too few are missing."""
    ends = [np.quantile(values, [0.005, 0.995]).tolist() for values in (x, y)]
    edges = [np.linspace(low, high, CELLS + 1) for low, high in ends]
    places = [np.searchsorted(edge, values, side="right") - 1 for edge, values in zip(edges, (x, y), strict=True)]
    cells = pd.DataFrame({"i": places[0], "j": places[1], "client": clients})
    counts = cells.groupby(["j", "i"])["client"].nunique()
    table = np.full((CELLS, CELLS), np.nan)
    for (j, i), n in counts.items():
        if 0 <= i < CELLS and 0 <= j < CELLS and n >= min_cell:
            table[j, i] = n
    return table, edges[0], edges[1]


def plot_truth_and_bias(
    pairs: pd.DataFrame,
    judge: str,
    truth: str,
    forces: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one rater's mean against the other's, as means of groups of clients, beside the line of identity.

    Parameters
    ----------
    pairs : DataFrame
        Sessions that both rated.
    judge, truth : str
        Columns.
    forces : DataFrame
        `fit_truth_and_bias(...).tidy()`: bias and truth force between clients draw the long line, the force within
        clients the short ones.
    labels : mapping, optional
        Column to axis label with unit.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> pairs = pd.DataFrame({"client": range(60), "j": rng.normal(size=60), "t": rng.normal(size=60)})
    >>> plot_truth_and_bias(pairs, "j", "t", pd.DataFrame({"term": [], "estimate": []})).get_xlabel()
    't'
    """
    ax = plain(new_axes(ax, width=5.2, height=4.4))
    keys = [name for name in (v.CLIENT, v.THERAPIST) if name in pairs]
    means = pairs.groupby(keys)[[truth, judge]].mean().sort_values(truth)
    count = int(np.clip(len(means) // FEWEST_PER_GROUP, 1, 10))
    groups = means.groupby(np.arange(len(means)) * count // max(len(means), 1))
    points = groups.mean()
    half = ndtri(0.975) * groups[judge].std() / np.sqrt(groups[judge].count())
    low, high = (float(f(points.to_numpy())) for f in (np.min, np.max))
    ax.plot([low, high], [low, high], color=GREY, linestyle=":", linewidth=1.5, label="the same")
    ax.vlines(points[truth], points[judge] - half, points[judge] + half, color=BLUE, linewidth=2)
    ax.plot(points[truth], points[judge], "o", color=BLUE, markersize=5, label="groups of clients, 95 % interval")
    _draw_forces(ax, forces.set_index("term")["estimate"], float(means[truth].mean()), points[truth].to_numpy())
    names = labels or {}
    ax.set(xlabel=names.get(truth, truth), ylabel=names.get(judge, judge))
    ax.legend(frameon=False, fontsize=8)
    return ax


def _draw_forces(ax: Axes, forces: pd.Series, centre: float, at: np.ndarray) -> None:
    """Draw the line between clients, and short lines of the slope within clients on it."""
    needed = ("directional_bias", "truth_force_between", "truth_force_within")
    if not set(needed) <= set(forces.index) or forces[list(needed)].isna().any():
        return
    bias, between, within = (float(forces[name]) for name in needed)
    ends = np.array([at.min(), at.max()])
    ax.plot(ends, centre + bias + between * (ends - centre), color=ORANGE, linewidth=2, label="between clients")
    step = np.ptp(at) / 12
    for number, x in enumerate(np.quantile(at, [0.1, 0.5, 0.9])):
        y = centre + bias + between * (x - centre)
        label = "within a client" if not number else None
        ax.plot([x - step, x + step], [y - within * step, y + within * step], color=GREEN, linewidth=3, label=label)


def plot_partition(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw shares of variance by rater and source, as percent, one bar per rater.

    Parameters
    ----------
    shares : DataFrame
        Rows `<rater> ratings: <source>` of `fit_one_with_many(...).tidy()`; a withheld share leaves its bar open.

    Examples
    --------
    >>> rows = {"term": ["client ratings: therapist", "client ratings: rest"], "estimate": [0.1, 0.9]}
    >>> plot_partition(pd.DataFrame(rows)).get_xlabel()
    'Share of variance (%)'
    """
    known = shares[shares["term"].str.contains(" ratings: ")]
    parts = known["term"].str.split(" ratings: ", expand=True)
    raters, sources = list(dict.fromkeys(parts[0])), list(dict.fromkeys(parts[1]))
    ax = new_axes(ax, height=1.2 + 0.5 * len(raters))
    left = np.zeros(len(raters))
    for source, colour in zip(sources, (ORANGE, BLUE, LIGHT_BLUE), strict=False):
        part = known[parts[1] == source].set_index(parts.loc[parts[1] == source, 0])["estimate"].reindex(raters)
        width = 100 * part.astype(float).fillna(0).to_numpy()
        ax.barh([f"{rater}'s ratings" for rater in raters], width, left=left, color=colour, label=source)
        left += width
    ax.set(xlabel="Share of variance (%)", xlim=(0, 100))
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def plot_dependability(curve: pd.DataFrame, *, target: float = 0.80, ax: Axes | None = None) -> Axes:
    """Draw how the dependability of a client's mean rises with the number of sessions, with its interval.

    Parameters
    ----------
    curve : DataFrame
        `fit_dependability(...).curve()`.
    target : float
        Drawn as a line.

    Examples
    --------
    >>> curve = pd.DataFrame({"sessions": [1, 2], "estimate": [0.7, 0.8], "conf_low": [0.6, 0.7], "conf_high": 0.9})
    >>> plot_dependability(curve).get_ylabel()
    'Dependability (0 to 1)'
    """
    ax = plain(new_axes(ax, width=5.6, height=3.2))
    curve = curve.astype(float)
    ax.fill_between(curve["sessions"], curve["conf_low"], curve["conf_high"], color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(curve["sessions"], curve["estimate"], "o-", color=BLUE, linewidth=2, markersize=4)
    ax.axhline(target, color=ORANGE, linestyle="--", linewidth=1.5)
    ax.set(ylabel="Dependability (0 to 1)", ylim=(0, 1))
    session_axis(ax)
    ax.set_xlabel("Number of sessions averaged")
    return ax


def plot_surface(fit: Surface, *, unit: str = "outcome points", rating: str = "points", ax: Axes | None = None) -> Axes:
    """Draw a response surface as contours, only where data lie, with the lines of agreement and of disagreement.

    Parameters
    ----------
    fit : Congruence
    unit : str
        Of the outcome.
    rating : str
        Of the ratings: "points from a client's own mean", for example.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> grid = np.linspace(-1, 1, 25)
    >>> x, y = np.meshgrid(grid, grid)
    >>> fit = SimpleNamespace(raters=("client", "therapist"), support=SimpleNamespace(x=grid, y=grid))
    >>> fit.predict_surface = lambda: (x - y) ** 2
    >>> plot_surface(fit).get_xlabel()
    'Rating by the client (points)'
    """
    ax = new_axes(ax, width=5.4, height=4.6)
    if fit.support is None:
        ax.text(0.5, 0.5, "no surface may be shown: not drawn", transform=ax.transAxes, ha="center")
        return ax
    x, y, z = fit.support.x, fit.support.y, fit.predict_surface()
    if np.isnan(z).all():
        ax.text(0.5, 0.5, "too few clients near any point: not drawn", transform=ax.transAxes, ha="center")
        return ax
    filled = ax.contourf(x, y, z, levels=8, cmap="cividis")
    ax.figure.colorbar(filled, ax=ax, label=f"Predicted difference: {unit}")
    ends = np.array([x.min(), x.max()])
    ax.plot(ends, ends, color="black", linewidth=1.5, label="both the same")
    ax.plot(ends, -ends, color="black", linewidth=1, linestyle=":", label="as far apart, opposite")
    first, second = fit.raters
    ax.set(xlabel=f"Rating by the {first} ({rating})", ylabel=f"Rating by the {second} ({rating})")
    ax.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal")
    ax.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    return ax


def plot_surface_3d(fit: Surface, *, unit: str = "outcome points", rating: str = "points") -> Axes:
    """Draw a response surface in three dimensions, only where data lie; the contours are easier to read exactly.

    Parameters
    ----------
    fit : Congruence
    unit, rating : str
        Of the outcome and of the ratings.
    """
    from matplotlib.figure import Figure

    ax: Any = Figure(figsize=(5.6, 4.4), layout="constrained").add_subplot(projection="3d")
    if fit.support is None:
        return ax
    x, y = np.meshgrid(fit.support.x, fit.support.y)
    first, second = fit.raters
    ax.plot_surface(x, y, fit.predict_surface(), cmap="cividis", linewidth=0.1, edgecolor="white", rstride=2, cstride=2)
    ax.set(xlabel=f"{first} ({rating})", ylabel=f"{second} ({rating})", zlabel=unit)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.labelpad = 10
    ax.tick_params(labelsize=8)
    ax.set_box_aspect(None, zoom=0.82)
    ax.view_init(elev=24, azim=-60)
    return ax
