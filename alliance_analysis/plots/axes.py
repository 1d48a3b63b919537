"""What every figure shares: a palette safe for colour-blind readers, plain axes, quantiles that are no one's value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betainc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colour-blind safe palette
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#5b6470"
LIGHT_BLUE = "#9ecae1"


def new_axes(ax: Axes | None, width: float = 7.0, height: float = 3.6) -> Axes:
    """Return the given axes, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    # a Figure of its own, not pyplot's: nothing global, nothing left open
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def plain(ax: Axes) -> Axes:
    """Take the frame away and draw faint horizontal lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#d9dde3", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def session_axis(ax: Axes) -> Axes:
    """Label the horizontal axis as session numbers, whole ones only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Session number")
    return ax


def smooth_quantile(values: pd.Series, q: float) -> float:
    """Return the Harrell-Davis quantile: a weighted mean of all values, so never one client's own value.

    Harrell & Davis 1982, 10.1093/biomet/69.3.635.
    """
    n = len(values)
    edges = betainc((n + 1) * q, (n + 1) * (1 - q), np.arange(n + 1) / n)
    return float(np.diff(edges) @ np.sort(values.to_numpy(float)))
