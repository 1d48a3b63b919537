"""The front door of the mixed models: a formula and a frame in, one frozen fit out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.blocks import random_effects
from alliance_analysis.mixed.crossproducts import Criterion, Problem, build_problem
from alliance_analysis.mixed.design import Design, build_design, term_levels
from alliance_analysis.mixed.formula import INTERCEPT, parse_formula
from alliance_analysis.mixed.guard import check_identified
from alliance_analysis.mixed.inference import Satterthwaite, fixed_covariance, satterthwaite
from alliance_analysis.mixed.optimise import Solution, maximise_likelihood
from alliance_analysis.mixed.singular import fit_warning, singular_groups, withheld_terms
from alliance_analysis.result import Estimates

DfMethod = Literal["satterthwaite", "normal"]
RESIDUAL = "residual"
NO_RESIDUAL = 1e-6  # residual standard deviation relative to that of the outcome given the fixed terms


@dataclass(frozen=True)
class MixedFit:
    """A fitted linear mixed model: numbers, matrices and what may be said from them; it keeps no frame.

    Attributes
    ----------
    formula, criterion, df_method : str
    design : Design
        y, X, Z, group codes; `rows` (n,) are the positions of the used rows in the caller's frame.
    estimates : Estimates
        Fixed effects in the outcome's unit.
    fixed_covariance : numpy.ndarray, shape (p, p)
    covariances : tuple of numpy.ndarray
        One (q, q) covariance matrix per random term, in the outcome's unit squared.
    sigma : float
        Residual standard deviation.
    log_lik : float
        Log-likelihood, restricted under REML, on the data's own columns (it equals lme4's).
    singular_level : tuple of str
        Grouping factors with a variance at zero or with perfectly correlated random effects.
    term_levels : dict
        Term -> coarsest grouping factor within whose groups it is constant, "" if it varies inside all of them.
    withheld : dict
        Term -> why no report may show it; empty for a converged, regular fit.
    """

    formula: str
    criterion: Criterion
    df_method: DfMethod
    design: Design
    problem: Problem
    solution: Solution
    satterthwaite: Satterthwaite | None
    estimates: Estimates
    fixed_covariance: np.ndarray
    covariances: tuple[np.ndarray, ...]
    sigma: float
    log_lik: float
    singular_level: tuple[str, ...]
    term_levels: dict[str, str]
    withheld: dict[str, str]

    @property
    def rows(self) -> np.ndarray:
        """Positions (n,) of the used rows in the caller's frame."""
        return self.design.rows

    @property
    def n_dropped(self) -> int:
        """Rows left out because a value is missing."""
        return self.design.n_dropped

    @property
    def dropped_by(self) -> dict[str, int]:
        """Rows without a value, per variable; a row may count for several."""
        return self.design.dropped_by

    @property
    def converged(self) -> bool:
        """True when the gradient is zero and the likelihood falls off in every direction."""
        return self.solution.converged

    @property
    def singular(self) -> bool:
        """True when a variance is at zero or random effects are perfectly correlated (lme4's isSingular)."""
        return bool(self.singular_level)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the fixed effects: `term estimate std_error statistic df p_value conf_low conf_high`.

        All terms are there, also those in `withheld`.
        """
        return self.estimates.tidy(conf_level)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row.

        Returns
        -------
        pandas.DataFrame
            `n_obs n_dropped log_lik aic bic criterion sigma converged singular singular_level gradient_norm df_method
            path` and `n_<group>` per grouping factor, the coarsest first. `gradient_norm` is the largest entry of the
            deviance's gradient in the relative factors; `singular_level` joins several with ", ".
        """
        parameters = self.problem.p + len(self.solution.theta) + 1
        row = {
            "n_obs": self.problem.n,
            "n_dropped": self.n_dropped,
            "log_lik": self.log_lik,
            "aic": -2 * self.log_lik + 2 * parameters,
            "bic": -2 * self.log_lik + np.log(self.problem.n) * parameters,
            "criterion": self.criterion,
            "sigma": self.sigma,
            "converged": self.converged,
            "singular": self.singular,
            "singular_level": ", ".join(self.singular_level),
            "gradient_norm": self.solution.gradient_norm,
            "df_method": self.df_method,
            "path": "block",
        }
        groups = {f"n_{group}": block.n_levels for group, block in self.design.groups.items()}
        return pd.DataFrame([{**row, **groups}])

    def variance_components(self) -> pd.DataFrame:
        """Tabulate variances and covariances of the random effects, and the residual variance.

        Returns
        -------
        pandas.DataFrame
            `group term term2 estimate std_dev`. A variance has `term2` "" and its root as `std_dev`; a covariance names
            both terms and has the correlation as `std_dev`, as lme4's `sdcor` (NaN when a variance is zero). The last
            row has group "residual" and term "".
        """
        rows: list[tuple[str, str, str, float, float]] = []
        for block, covariance in zip(self.design.random, self.covariances, strict=True):
            deviations = np.sqrt(np.diagonal(covariance))
            for i, name in enumerate(block.names):
                rows.append((block.group, name, "", float(covariance[i, i]), float(deviations[i])))
            for i, j in combinations(range(len(block.names)), 2):
                scale = float(deviations[i] * deviations[j])
                correlation = float(covariance[i, j]) / scale if scale > 0 else np.nan
                rows.append((block.group, block.names[i], block.names[j], float(covariance[i, j]), correlation))
        rows.append((RESIDUAL, "", "", self.sigma**2, self.sigma))
        return pd.DataFrame(rows, columns=["group", "term", "term2", "estimate", "std_dev"])

    def icc(self) -> dict[str, float]:
        """Share of the variance at each grouping factor: intercept variance over the sum of all and the residual's.

        Only for models whose random terms are intercepts; the shares of a model with slopes depend on the predictors.

        Raises
        ------
        ModelError
            When the model has a random slope.
        """
        if any(block.names != (INTERCEPT,) for block in self.design.random):
            raise ModelError("icc: with random slopes the share depends on the predictors. Fit '(1 | group)' for it.")
        variances = {
            block.group: float(covariance[0, 0])
            for block, covariance in zip(self.design.random, self.covariances, strict=True)
        }
        total = sum(variances.values()) + self.sigma**2
        return {group: variance / total for group, variance in variances.items()}

    def contrast(self, weights: Mapping[str, float], conf_level: float = 0.95) -> pd.DataFrame:
        """Estimate a weighted sum of fixed effects, with its own Satterthwaite df.

        Parameters
        ----------
        weights : mapping of term to float
            Terms that are not named weigh 0.
        conf_level : float

        Returns
        -------
        pandas.DataFrame
            One row with the columns of `tidy`; `term` spells the contrast out.

        Raises
        ------
        ModelError
            For a term the model does not have, or weights that are all zero.
        """
        vector = self._weights(weights)
        name = " ".join(f"{weight:+g}*{term}" for term, weight in weights.items())
        df = self.satterthwaite.df(vector) if self.satterthwaite else np.inf
        std_error = np.sqrt(vector @ self.fixed_covariance @ vector)
        estimate = vector @ self.estimates.estimate
        return Estimates((name,), np.array([estimate]), np.array([std_error]), np.array([df])).tidy(conf_level)

    def _weights(self, weights: Mapping[str, float]) -> np.ndarray:
        unknown = sorted(set(weights) - set(self.estimates.terms))
        if unknown:
            terms = ", ".join(self.estimates.terms)
            raise ModelError(f"contrast: '{unknown[0]}' is not a term of the model; its terms are {terms}.")
        vector = np.array([float(weights.get(term, 0.0)) for term in self.estimates.terms])
        if not vector.any() or not np.isfinite(vector).all():
            raise ModelError("contrast: the weights must be finite and not all zero. Write {'term': 1, 'other': -1}.")
        return vector

    def random_effects(self) -> pd.DataFrame:
        """Predict the random effects (BLUPs), long: `group level term estimate`.

        `level` numbers the sorted levels of the grouping factor from 0, so that no id leaves the caller's frame.
        """
        frames = [
            pd.DataFrame(effects, columns=list(block.names))
            .rename_axis("level")
            .reset_index()
            .melt(id_vars="level", var_name="term", value_name="estimate")
            .assign(group=block.group)
            for block, effects in zip(self.design.random, self._effects(), strict=True)
        ]
        return pd.concat(frames, ignore_index=True)[["group", "level", "term", "estimate"]]

    def _effects(self) -> list[np.ndarray]:
        return random_effects(self.problem, self.solution.factors, self.solution.deviance.beta)

    def fitted(self) -> np.ndarray:
        """Predicted outcome (n,), random effects included, aligned with `rows`."""
        fitted = self.design.X @ self.estimates.estimate
        for block, effects in zip(self.design.random, self._effects(), strict=True):
            fitted = fitted + np.einsum("ij,ij->i", block.Z, effects[block.codes])
        return fitted

    def residuals(self) -> np.ndarray:
        """Outcome minus `fitted()` (n,), aligned with `rows`."""
        return self.design.y - self.fitted()

    def __repr__(self) -> str:
        head = f"MixedFit({self.formula!r}, {self.criterion}, {self.problem.n} rows)"
        return f"{head}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.tidy()._repr_html_())


def fit_mixed(
    formula: str,
    data: pd.DataFrame,
    *,
    criterion: Criterion = "REML",
    df: DfMethod = "satterthwaite",
    residual: None = None,
) -> MixedFit:
    """Fit a linear mixed model with nested or crossed groups and random slopes, by REML or ML.

    For outcomes that are roughly continuous, measured repeatedly within clients, clients within therapists. Compare
    models with different fixed terms under `criterion="ML"`; report estimates from REML.

    Parameters
    ----------
    formula : str
        As in lme4: "symptoms ~ time + (1 + time | client) + (1 | therapist)". `(1 | therapist/client)` stands for
        `(1 | therapist) + (1 | therapist:client)`; `||` gives every column a variance of its own and no correlations.
        Functions: C, I, bs, center, exp, log, poly, scale, sqrt.
    data : pandas.DataFrame
        One row per observation; not changed. Rows with a missing value are left out and counted.
    criterion : {"REML", "ML"}
    df : {"satterthwaite", "normal"}
        How tests and intervals of the fixed effects are made; "normal" is quicker and ignores small samples.
    residual : None
        Independent residuals of equal variance; other structures come later.

    Returns
    -------
    MixedFit

    Raises
    ------
    ModelError
        When an argument is not allowed, or the data cannot identify the model; the message names the cause.

    Warns
    -----
    FitWarning
        When the fit is singular, or did not converge.

    Notes
    -----
    y = X beta + Z b + e, b ~ N(0, G), e ~ N(0, sigma^2 I). The likelihood is exact, block by block of connected groups,
    and validated against lme4 and lmerTest (tests/golden) and statsmodels.

    References
    ----------
    Bates, Mächler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01.

    Examples
    --------
    >>> import numpy as np
    >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
    >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
    >>> fit_mixed("y ~ time + (1 | client)", frame).tidy()["term"].tolist()
    ['(Intercept)', 'time']
    """
    _check_options(criterion, df, residual)
    design = build_design(parse_formula(formula), data)
    check_identified(design)
    problem = build_problem(
        design.y, design.X, [b.Z for b in design.random], [b.codes for b in design.random], criterion
    )
    solution = maximise_likelihood(problem)
    _check_residual(design.response, solution)
    fit = _assemble(formula, criterion, df, design, problem, solution)
    message = fit_warning(design, solution)
    if message:
        warnings.warn(message, FitWarning, stacklevel=2)
    return fit


def _check_options(criterion: str, df: str, residual: object) -> None:
    if criterion not in get_args(Criterion):
        raise ModelError(f"criterion must be 'REML' or 'ML', got {criterion!r}.")
    if df not in get_args(DfMethod):
        raise ModelError(f"df must be 'satterthwaite' or 'normal', got {df!r}.")
    if residual is not None:
        raise ModelError(f"residual must be None, got {residual!r}; residual structures are not available yet.")


def _check_residual(response: str, solution: Solution) -> None:
    if solution.deviance.sigma < NO_RESIDUAL:
        raise ModelError(
            f"{response}: fixed and random terms reproduce the outcome exactly, the residual variance is zero. "
            "Drop a random slope, or check how the outcome was made."
        )


def _assemble(
    formula: str, criterion: Criterion, df: DfMethod, design: Design, problem: Problem, solution: Solution
) -> MixedFit:
    sigma = solution.deviance.sigma * problem.y_scale
    covariance = fixed_covariance(problem, solution)
    prepared = satterthwaite(problem, solution) if df == "satterthwaite" else None
    p = problem.p
    estimates = Estimates(
        design.terms,
        problem.offset + problem.coefficients @ solution.deviance.beta * problem.y_scale,
        np.sqrt(np.diagonal(covariance)),
        np.array([prepared.df(unit) for unit in np.eye(p)]) if prepared else np.full(p, np.inf),
    )
    loose = [np.linalg.solve(r, factor) * sigma for r, factor in zip(problem.rotations, solution.factors, strict=True)]
    levels = term_levels(design)
    return MixedFit(
        formula=formula,
        criterion=criterion,
        df_method=df,
        design=design,
        problem=problem,
        solution=solution,
        satterthwaite=prepared,
        estimates=estimates,
        fixed_covariance=covariance,
        covariances=tuple(half @ half.T for half in loose),
        sigma=float(sigma),
        log_lik=-solution.deviance.value / 2,
        singular_level=singular_groups(design, solution),
        term_levels=levels,
        withheld=withheld_terms(design, solution, levels),
    )
