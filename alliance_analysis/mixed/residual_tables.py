"""Tables of the residual parameters on the user's scale: correlations, ratios, variances in the outcome's unit."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd

from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Unstructured

RESIDUAL = "residual"
Component = tuple[str, str, str, float, float]


def residual_parameters(attributes: Attributes | None, phi: np.ndarray) -> pd.DataFrame:
    """Tabulate `structure parameter estimate`: rho, ratios of standard deviations, correlations.

    `sd_ratio[level]` is relative to the first level (rater, visit), whose residual standard deviation is `sigma`.
    """
    rows: list[tuple[str, str, float]] = []
    groupings = 0
    for part in attributes.structures if attributes else ():
        model = attributes.model  # type: ignore[union-attr]
        if isinstance(part, AR1):
            rows.append(("AR1", "rho", model.rho(phi)))
        elif isinstance(part, ByGroup):
            labels, ratios = attributes.level_labels[groupings], model.ratios(phi)[groupings]  # type: ignore[union-attr]
            rows += [("ByGroup", f"sd_ratio[{a}]", float(r)) for a, r in zip(labels[1:], ratios[1:], strict=True)]
            groupings += 1
        elif isinstance(part, SameSession):
            rows.append(("SameSession", f"sd_ratio[{attributes.rater_labels[1]}]", model.rater_ratio(phi)))  # type: ignore[union-attr]
            rows.append(("SameSession", "correlation", model.rater_correlation(phi)))
        else:
            rows += _visit_parameters(attributes, phi)  # type: ignore[arg-type]
    return pd.DataFrame(rows, columns=["structure", "parameter", "estimate"])


def _visit_parameters(attributes: Attributes, phi: np.ndarray) -> list[tuple[str, str, float]]:
    L = attributes.model.visit_factor(phi)
    labels, covariance = attributes.visit_labels, L @ L.T
    deviations = np.sqrt(np.diagonal(covariance))
    name = Unstructured.__name__
    rows = [(name, f"sd_ratio[{a}]", float(d)) for a, d in zip(labels[1:], deviations[1:], strict=True)]
    for i, j in combinations(range(len(labels)), 2):
        correlation = float(covariance[i, j] / (deviations[i] * deviations[j]))
        rows.append((name, f"correlation[{labels[i]}, {labels[j]}]", correlation))
    return rows


def residual_components(attributes: Attributes | None, phi: np.ndarray, sigma: float) -> list[Component]:
    """Rows of `variance_components` for the residuals: `group term term2 estimate std_dev`.

    One row with term "" where all residuals have one variance; else a row per level (levels of several groupings joined
    by ":"), and a covariance, with its correlation, for each pair of raters or visits.
    """
    if attributes is None or not (attributes.raters is not None or attributes.levels or attributes.visits is not None):
        return [(RESIDUAL, "", "", sigma**2, sigma)]
    model = attributes.model
    if attributes.visits is not None:
        L = model.visit_factor(phi)
        return _matrix_rows(attributes.visit_labels, L @ L.T * sigma**2)
    combos = [
        (":".join(labels), float(np.prod(ratios)))
        for labels, ratios in zip(product(*attributes.level_labels), product(*model.ratios(phi)), strict=True)
    ]
    if attributes.raters is None:
        return [(RESIDUAL, name, "", (sigma * r) ** 2, sigma * r) for name, r in combos]
    k, r = model.rater_ratio(phi), model.rater_correlation(phi)
    pair = np.array([[1.0, r * k], [r * k, k * k]]) * sigma**2
    rows: list[Component] = []
    for name, ratio in combos:
        labels = tuple(":".join(filter(None, (rater, name))) for rater in attributes.rater_labels)
        rows += _matrix_rows(labels, pair * ratio**2)
    return rows


def _matrix_rows(labels: tuple[str, ...], covariance: np.ndarray) -> list[Component]:
    deviations = np.sqrt(np.diagonal(covariance))
    rows = [(RESIDUAL, a, "", float(covariance[i, i]), float(deviations[i])) for i, a in enumerate(labels)]
    for i, j in combinations(range(len(labels)), 2):
        correlation = float(covariance[i, j] / (deviations[i] * deviations[j]))
        rows.append((RESIDUAL, labels[i], labels[j], float(covariance[i, j]), correlation))
    return rows
