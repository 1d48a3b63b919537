"""Variance parameters as a user names them, and how each moves with the parameters the optimiser sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.likelihood import unpack
from alliance_analysis.mixed.residual_tables import residual_parameters


@dataclass(frozen=True)
class Quantity:
    """A standard deviation (`i == j`) or correlation of a random term, by the rows of its user columns; or sigma.

    Of kind "residual": row `i` of `residual_parameters`.
    """

    name: str
    kind: str
    term: int = -1
    i: int = 0
    j: int = 0


def list_quantities(design: Design, attributes: Attributes | None = None) -> list[Quantity]:
    """Name every variance parameter as lme4's `confint(oldNames = FALSE)` does, and those of the residual structure."""
    found = []
    for k, block in enumerate(design.random):
        q = len(block.names)
        found += [Quantity(f"sd_{name}|{block.group}", "sd", k, i, i) for i, name in enumerate(block.names)]
        pairs = [(i, j) for i in range(q) for j in range(i + 1, q)]
        found += [Quantity(f"cor_{block.names[j]}.{block.names[i]}|{block.group}", "cor", k, i, j) for i, j in pairs]
    found.append(Quantity("sigma", "sd"))
    if attributes is not None:
        table = residual_parameters(attributes, attributes.model.start)
        found += [Quantity(name, "residual", -1, i) for i, name in enumerate(table["parameter"])]
    return found


def value_and_slope(
    problem: Problem, quantity: Quantity, phi: np.ndarray, attributes: Attributes | None
) -> tuple[float, np.ndarray]:
    """Evaluate a variance (of sd or sigma), a correlation or a residual parameter at (theta, log sigma), with its slope
    (k + 1,), on the user's scale."""
    slope = np.zeros(len(phi))
    if quantity.kind == "residual":
        return _residual_parameter(attributes, quantity.i, problem.n_factor_entries, phi)
    scale = float(np.exp(phi[-1]) * problem.y_scale) ** 2
    if quantity.term < 0:
        slope[-1] = 2 * scale
        return scale, slope
    if quantity.kind == "sd":
        return _covariance(problem, quantity.term, (quantity.i, quantity.i), phi)
    (g, dg), (a, da), (b, db) = (
        _covariance(problem, quantity.term, pair, phi)
        for pair in ((quantity.i, quantity.j), (quantity.i, quantity.i), (quantity.j, quantity.j))
    )
    root = np.sqrt(max(a * b, 1e-300))
    return g / root, dg / root - g / root * (da / max(a, 1e-300) + db / max(b, 1e-300)) / 2


def _residual_parameter(
    attributes: Attributes | None, row: int, start: int, phi: np.ndarray
) -> tuple[float, np.ndarray]:
    """Row of `residual_parameters` at (theta, log sigma); its slope by central differences of a smooth map."""

    def at(point: np.ndarray) -> float:
        return float(residual_parameters(attributes, point[start:-1])["estimate"].iloc[row])

    slope, h = np.zeros(len(phi)), 1e-5
    for place in range(start, len(phi) - 1):
        step = np.zeros(len(phi))
        step[place] = h
        slope[place] = (at(phi + step) - at(phi - step)) / (2 * h)
    return at(phi), slope


def _covariance(problem: Problem, term: int, pair: tuple[int, int], phi: np.ndarray) -> tuple[float, np.ndarray]:
    """G_ij = sigma^2 (a_i L)(a_j L)' with A = R^-1, and its slope in (theta, log sigma)."""
    factors = unpack(phi[:-1], problem)
    L, A = factors[term], np.linalg.inv(problem.rotations[term])
    scale = float(np.exp(phi[-1]) * problem.y_scale) ** 2
    left, right = A[pair[0]], A[pair[1]]
    value = float(left @ L @ L.T @ right) * scale
    start = sum(len(f) * (len(f) + 1) // 2 for f in factors[:term])
    lower = np.tril_indices(len(L))
    slope = np.zeros(len(phi))
    slope[start : start + len(lower[0])] = (np.outer(left, right @ L) + np.outer(right, left @ L))[lower] * scale
    slope[-1] = 2 * value
    return value, slope
