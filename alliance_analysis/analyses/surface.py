"""The response surface of two ratings: its slopes and curvatures along (dis)agreement, its axes, and where data lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SURFACE_TERMS = ("a1", "a2", "a3", "a4", "a5")
AXIS_TERMS = ("x0", "y0", "p10", "p11", "p20", "p21")
# rows a1..a5, columns b1..b5 of x, y, x^2, x*y, y^2
SLOPES = np.array(
    [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, -1, 0, 0, 0], [0, 0, 1, -1, 1], [0, 0, 1, 0, -1]],
    dtype=float,
)
GRID = 25  # points a side: finer than a reader sees, small enough for a page


def polynomial(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the five columns x, y, x^2, x y, y^2 of the surface, (..., 5)."""
    return np.stack([x, y, x * x, x * y, y * y], axis=-1)


def surface_parameters(b: np.ndarray) -> np.ndarray:
    """Return a1..a5 from b1..b5.

    a1, a2: slope and curvature where the two agree (x = y); a3, a4: where they disagree (x = -y); a5 = b3 - b5.

    Examples
    --------
    >>> surface_parameters(np.array([0.0, 0, 1, -2, 1])).tolist()
    [0.0, 0.0, 0.0, 4.0, 0.0]
    """
    return SLOPES @ b


def principal_axes(b: np.ndarray) -> np.ndarray:
    """Return the stationary point (x0, y0) and both principal axes y = p10 + p11 x, y = p20 + p21 x, from b1..b5.

    The first axis (p10, p11) is that of least downward curvature: the ridge of a dome. In a bowl, where low values are
    good, the valley is the second one. Missing where the surface has no stationary point or no unique axes.

    References
    ----------
    Edwards & Parry 1993, 10.5465/256822.

    Examples
    --------
    >>> principal_axes(np.array([0.0, 0, 1, -2, 1])).tolist()  # a trough has no single lowest point
    [nan, nan, nan, -1.0, nan, 1.0]
    """
    b1, b2, b3, b4, b5 = b
    determinant = 4 * b3 * b5 - b4**2
    with np.errstate(divide="ignore", invalid="ignore"):
        x0, y0 = np.array([b2 * b4 - 2 * b1 * b5, b1 * b4 - 2 * b2 * b3]) / determinant if determinant else [np.nan] * 2
        root = np.hypot(b3 - b5, b4)
        p11, p21 = np.array([b5 - b3 + root, b5 - b3 - root]) / b4 if b4 else [np.nan] * 2
    return np.array([x0, y0, y0 - p11 * x0, p11, y0 - p21 * x0, p21])


@dataclass(frozen=True)
class Support:
    """Where data lie: a grid, and which of its points have enough clients near them.

    Attributes
    ----------
    x, y : ndarray, shape (25,)
    inside : ndarray of bool, shape (25, 25)
        Row = y, column = x.
    """

    x: np.ndarray
    y: np.ndarray
    inside: np.ndarray


def find_support(x: np.ndarray, y: np.ndarray, clients: np.ndarray, min_cell: int = 5) -> Support:
    """Find where a surface rests on data: grid points with at least `min_cell` clients within half an SD.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        On one scale.
    clients : ndarray of int, shape (n,)
        Codes; a client counts once.
    min_cell : int

    Notes
    -----
    The convex hull of the points would be drawn through single clients' own values, and holds empty corners.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> support = find_support(rng.normal(size=300), rng.normal(size=300), np.arange(300))
    >>> bool(support.inside[12, 12]), bool(support.inside[0, 0])
    (True, False)
    """
    reach = 0.5 * float(np.sqrt((x.var() + y.var()) / 2))
    low, high = (float(np.quantile(np.concatenate([x, y]), q)) for q in (0.005, 0.995))
    grid = np.linspace(low, high, GRID)
    inside = np.array([[_near(x - a, y - b, clients, reach) >= min_cell for a in grid] for b in grid])
    return Support(grid, grid, inside)


def _near(dx: np.ndarray, dy: np.ndarray, clients: np.ndarray, reach: float) -> int:
    return len(np.unique(clients[dx * dx + dy * dy <= reach * reach]))


def discrepancy_rates(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return how often the two standardised scores are within half an SD, and how often either is above the other.

    A surface of disagreement needs people who disagree. With fewer than 10 % on either side it rests on few.

    References
    ----------
    Fleenor, McCauley & Brutus 1996, Leadership Quarterly 7(4), 487-506; Shanock et al. 2010, 10.1007/s10869-010-9183-4.

    Examples
    --------
    >>> discrepancy_rates(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 4, 3]))["in agreement"]
    0.5
    """
    difference = (x - x.mean()) / x.std(ddof=1) - (y - y.mean()) / y.std(ddof=1)
    return {
        "first higher": float((difference > 0.5).mean()),
        "in agreement": float((np.abs(difference) <= 0.5).mean()),
        "second higher": float((difference < -0.5).mean()),
    }
