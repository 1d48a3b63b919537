"""The parametric bootstrap: outcomes drawn from a fit, the model fitted to each, the spread of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.optimise import Refit, Solution, refit
from alliance_analysis.mixed.profile import Source
from alliance_analysis.mixed.quantities import Quantity, list_quantities
from alliance_analysis.mixed.redraw import prepare_redraw, redraw
from alliance_analysis.mixed.refits import covariances_at
from alliance_analysis.mixed.residual_tables import residual_parameters
from alliance_analysis.mixed.whitening import correlate, find_roots
from alliance_analysis.result import check_conf_level

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Truth:
    """The parameters outcomes are drawn from: X beta (n,), one factor (q, q) per random term, sigma."""

    mean: np.ndarray
    factors: tuple[np.ndarray, ...]
    sigma: float


@dataclass(frozen=True)
class Replicate:
    """One refit, as a `statistic` sees it: fixed effects (p,) by `terms`, covariances of the random terms, sigma.

    `phi` holds the parameters of a residual structure on scales without bounds, `residual` the same by the names of
    `residual_parameters`; both empty without one.
    """

    terms: tuple[str, ...]
    beta: np.ndarray
    covariances: tuple[np.ndarray, ...]
    sigma: float
    phi: np.ndarray
    log_lik: float
    residual: Mapping[str, float]


Statistic = Callable[[Replicate], Mapping[str, float]]


@dataclass(frozen=True)
class Bootstrap:
    """What a parametric bootstrap found.

    Attributes
    ----------
    names, kinds : tuple of str
        Fixed terms, then variance parameters as `MixedFit.profile` names them, then those of the statistic.
    estimate : numpy.ndarray
        Of the fit the outcomes were drawn from.
    draws : numpy.ndarray, shape (n, len(names))
        One row per replicate; NaN where a refit did not converge.
    n_failed, n_singular : int
        Refits that did not converge (left out), and that ended with a variance at zero (kept).
    seed : int
        Replicate i draws from `SeedSequence([seed, i])`, whatever ran before it.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    estimate: np.ndarray
    draws: np.ndarray = field(repr=False)
    n_failed: int
    n_singular: int
    seed: int

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the spread of the replicates.

        Returns
        -------
        pandas.DataFrame
            `term kind estimate std_error bias conf_low conf_high n n_failed n_singular`: standard deviation of the
            replicates, their mean minus the estimate, percentile limits, replicates that count.
        """
        check_conf_level(conf_level)
        kept = self.draws[~np.isnan(self.draws).any(axis=1)]
        limits = np.quantile(kept, [(1 - conf_level) / 2, (1 + conf_level) / 2], axis=0)
        columns = {
            "term": self.names,
            "kind": self.kinds,
            "estimate": self.estimate,
            "std_error": kept.std(axis=0, ddof=1),
            "bias": kept.mean(axis=0) - self.estimate,
            "conf_low": limits[0],
            "conf_high": limits[1],
        }
        counts = {"n": len(kept), "n_failed": self.n_failed, "n_singular": self.n_singular}
        return pd.DataFrame(columns).assign(**counts)


def bootstrap_fit(
    source: Source, n: int, seed: int, statistic: Statistic | None, progress: Progress | None
) -> Bootstrap:
    """Draw `n` outcomes from a fit and fit the model to each.

    Raises
    ------
    ModelError
        For fewer than 2 replicates or a negative seed.
    """
    check_request(n, seed)
    own = _replicate(source, source.problem, source.solution)
    first, kinds = _measure(source, own, statistic)
    draws = np.full((n, len(first)), np.nan)
    failed = singular = 0
    prepared = prepare_redraw(source.problem, source.design)
    for i, outcome in enumerate(draw_outcomes(source, n, seed)):
        drawn = redraw(prepared, outcome)
        end = refit(drawn, source.solution.theta, source.solution.hessian)
        failed += not end.converged
        singular += end.singular
        if end.converged:
            draws[i] = list(_measure(source, _replicate(source, drawn, end), statistic)[0].values())
        if progress is not None:
            progress(i + 1, n)
    return Bootstrap(tuple(first), tuple(kinds), np.array(list(first.values())), draws, failed, singular, seed)


def check_request(n: int, seed: int) -> None:
    """Raise ModelError unless outcomes can be drawn as asked."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise ModelError(f"bootstrap: n must be a whole number of at least 2, got {n!r}. Use 1000 for intervals.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ModelError(f"bootstrap: seed must be a whole number of at least 0, got {seed!r}.")


def draw_outcomes(source: Source, n: int, seed: int) -> Iterator[np.ndarray]:
    """Draw outcomes (rows,) from a fit, the i-th from its own seed: X beta + sum_k Z_k b_k + e."""
    own = _replicate(source, source.problem, source.solution)
    truth = Truth(source.design.X @ own.beta, tuple(_root(G) for G in own.covariances), own.sigma)
    roots = find_roots(source.attributes, own.phi) if source.attributes else []
    for i in range(n):
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        independent = rng.standard_normal(len(truth.mean))
        noise = correlate(roots, independent) if roots else independent
        outcome = truth.mean + truth.sigma * noise
        for block, root in zip(source.design.random, truth.factors, strict=True):
            effects = rng.standard_normal((block.n_levels, len(root))) @ root.T
            for column, effect in zip(block.Z.T, effects.T, strict=True):
                outcome += column * effect[block.codes]
        yield outcome


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix R with R R' = covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values.clip(0))


def _replicate(source: Source, problem: Problem, end: Refit | Solution) -> Replicate:
    beta = problem.offset + problem.coefficients @ end.deviance.beta * problem.y_scale
    return read_parameters(source, problem, beta, end.theta, end.deviance.sigma, -end.deviance.value / 2)


def read_parameters(
    source: Source, problem: Problem, beta: np.ndarray, theta: np.ndarray, sigma: float, log_lik: float = np.nan
) -> Replicate:
    """Turn the optimiser's parameters (theta, internal sigma) into a `Replicate`; beta (p,) on the data's columns."""
    phi = theta[problem.n_factor_entries :]
    table = residual_parameters(source.attributes, phi) if source.attributes else None
    residual = {} if table is None else dict(zip(table["parameter"], table["estimate"], strict=True))
    covariances = covariances_at(problem, theta, sigma)
    return Replicate(source.design.terms, beta, covariances, sigma * problem.y_scale, phi, log_lik, residual)


def _measure(source: Source, found: Replicate, statistic: Statistic | None) -> tuple[dict[str, float], list[str]]:
    """Everything that is followed, by name, and of what kind it is."""
    values = dict(zip(found.terms, found.beta, strict=True))
    kinds = ["fixed"] * len(values)
    for quantity in list_quantities(source.design, source.attributes):
        values[quantity.name] = _value(found, quantity)
        kinds.append(quantity.kind)
    more = statistic(found) if statistic is not None else {}
    return {**values, **more}, kinds + ["statistic"] * len(more)


def _value(found: Replicate, quantity: Quantity) -> float:
    if quantity.kind == "residual":
        return found.residual[quantity.name]
    if quantity.term < 0:
        return found.sigma
    G, i, j = found.covariances[quantity.term], quantity.i, quantity.j
    if quantity.kind == "sd":
        return float(np.sqrt(G[i, i]))
    root = np.sqrt(G[i, i] * G[j, j])
    return float(G[i, j] / root) if root > 0 else 0.0
