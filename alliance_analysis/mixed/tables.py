"""What a fit holds, and the tables that are read straight out of it; the numbers happen elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.attributes import Attributes
from alliance_analysis.mixed.crossproducts import Criterion, Problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.effects import random_effects
from alliance_analysis.mixed.explained import is_nested, nakagawa, rights_sterba, share_variance, split_variance
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.mixed.independent import IndependentRows, fits_in_blocks, independent_rows
from alliance_analysis.mixed.inference import DfMethod
from alliance_analysis.mixed.marginal import effect_deviations
from alliance_analysis.mixed.optimise import Solution
from alliance_analysis.mixed.residual_tables import residual_components, residual_parameters
from alliance_analysis.mixed.small_sample import SmallSample, choose_contrasts, covariance_for_tests, joint_test
from alliance_analysis.mixed.whitening import row_deviations, whiten
from alliance_analysis.result import Estimates

ResidualKind = Literal["response", "normalized"]


@dataclass(frozen=True)
class FitTables:
    """Numbers and matrices of a fitted linear mixed model, and what they say as they stand; it keeps no frame.

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
    small_sample: SmallSample | None
    estimates: Estimates
    fixed_covariance: np.ndarray
    covariances: tuple[np.ndarray, ...]
    sigma: float
    log_lik: float
    singular_level: tuple[str, ...]
    term_levels: dict[str, str]
    withheld: dict[str, str]
    attributes: Attributes | None = None  # what the residual structure reads from the rows

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
    def n_parameters(self) -> int:
        """Fixed effects, variances, covariances and residual parameters together, as in `aic`."""
        return self.problem.p + len(self.solution.theta) + 1

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
            df_basis path` and `n_<group>` per grouping factor, the coarsest first. `gradient_norm` is the largest entry
            of the deviance's gradient in the relative factors; `singular_level` joins several with ", ". `df_basis` is
            "at the boundary" when a variance is at zero: df are computed as ever, their justification does not hold;
            "calibrated by simulation" under a residual structure, where no other program offers df to compare with.
        """
        parameters = self.n_parameters
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
            "df_basis": self._df_basis(),
            "path": "block",
        }
        groups = {f"n_{group}": block.n_levels for group, block in self.design.groups.items()}
        return pd.DataFrame([{**row, **groups}])

    def _df_basis(self) -> str:
        if self.attributes is not None:
            return "calibrated by simulation"
        return "at the boundary" if self.singular else "regular"

    @property
    def _phi(self) -> np.ndarray:
        return self.solution.theta[self.problem.n_factor_entries :]

    def residual_parameters(self) -> pd.DataFrame:
        """Tabulate the parameters of the residual structure: `structure parameter estimate`.

        `rho` is the serial correlation at distance 1; `sd_ratio[level]` a residual standard deviation relative to that
        of the first level, which is `sigma`. No row without a residual structure.
        """
        return residual_parameters(self.attributes, self._phi)

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
        rows += residual_components(self.attributes, self._phi, self.sigma)
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
        total = sum(variances.values()) + float(self._residual_variances().mean())
        return {group: variance / total for group, variance in variances.items()}

    def variance_shares(self) -> pd.DataFrame:
        """Share the variance that the fixed terms leave among therapists, clients and sessions.

        With random slopes the variance of a level is its mean over the rows, so the shares hold for these data's
        predictors.

        Returns
        -------
        pandas.DataFrame
            `level estimate share note`: one row per grouping factor, the coarsest first, and "residual". At a level
            whose variance is estimated at zero `estimate` and `share` are withheld and `note` says why.

        References
        ----------
        Johnson (2014), doi:10.1111/2041-210X.12225.
        """
        reason = "withheld: the {} variance is estimated at zero (singular fit)"
        withheld = {level: reason.format(level) for level in self.singular_level}
        return share_variance(self.design, self.covariances, float(self._residual_variances().mean()), withheld)

    def r2(self) -> pd.DataFrame:
        """Explain variance: Nakagawa's marginal and conditional R2, and the shares of each source at each level.

        Returns
        -------
        pandas.DataFrame
            `measure level source estimate`. "nakagawa_marginal" and "nakagawa_conditional" relate to the total.
            "rights_sterba" splits the total, and each level ("within", "between_<group>"), into what the fixed terms,
            the random effects of each group and the residual contribute; the shares of one level add up to 1. Only for
            nested groups; for crossed ones those rows are left out. The conditional R2 of a singular fit is missing.

        Notes
        -----
        A predictor that varies at both levels counts at both, with its own within and between part; for slopes that
        differ between the levels put both parts into the model (`add_within_between`).

        References
        ----------
        Nakagawa & Schielzeth (2013), doi:10.1111/j.2041-210x.2012.00261.x. Johnson (2014), doi:10.1111/2041-210X.12225.
        Rights & Sterba (2019), doi:10.1037/met0000184.
        """
        residual, beta = float(self._residual_variances().mean()), self.estimates.estimate
        total = nakagawa(self.design, self.covariances, beta, residual)
        if self.singular:
            total.loc[total["measure"] == "nakagawa_conditional", "estimate"] = np.nan
        if not is_nested(list(self.design.groups.values())):
            return total
        parts = split_variance(self.design, self.covariances, beta, residual)
        return pd.concat([total, rights_sterba(parts)], ignore_index=True)

    def contrast(self, weights: Mapping[str, float], conf_level: float = 0.95) -> pd.DataFrame:
        """Estimate a weighted sum of fixed effects, with its own df (Satterthwaite's or Kenward and Roger's).

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
        df = self.small_sample.df(vector) if self.small_sample else np.inf
        std_error = np.sqrt(vector @ covariance_for_tests(self.small_sample, self.fixed_covariance) @ vector)
        estimate = vector @ self.estimates.estimate
        return Estimates((name,), np.array([estimate]), np.array([std_error]), np.array([df])).tidy(conf_level)

    def test(self, terms: str | Sequence[str]) -> pd.DataFrame:
        """Test several fixed effects against zero at once, for example all columns of a factor.

        Parameters
        ----------
        terms : str or sequence of str
            Terms as `tidy` names them; the name of a factor stands for all its columns.

        Returns
        -------
        pandas.DataFrame
            One row `term statistic df_numerator df_denominator p_value`; `statistic` is F, with Kenward and Roger's
            scale or Satterthwaite's denominator df, as the fit's `df_method` says.

        Raises
        ------
        ModelError
            For a name the model does not have, or no name at all.
        """
        names = (terms,) if isinstance(terms, str) else tuple(terms or ())
        contrasts = choose_contrasts(self.estimates.terms, names)
        statistic, df, p_value = joint_test(
            self.small_sample, contrasts, self.estimates.estimate, self.fixed_covariance
        )
        row = (", ".join(names), statistic, len(contrasts), df, p_value)
        return pd.DataFrame([row], columns=["term", "statistic", "df_numerator", "df_denominator", "p_value"])

    def _weights(self, weights: Mapping[str, float]) -> np.ndarray:
        if not isinstance(weights, Mapping):
            raise ModelError(f"contrast: the weights must be a mapping such as {{'time': 1}}, got {weights!r}.")
        unknown = sorted(set(weights) - set(self.estimates.terms))
        if unknown:
            terms = ", ".join(self.estimates.terms)
            raise ModelError(f"contrast: '{unknown[0]}' is not a term of the model; its terms are {terms}.")
        if not all(isinstance(weight, int | float | np.number) for weight in weights.values()):
            raise ModelError(f"contrast: the weights must be numbers, got {list(weights.values())!r}.")
        vector = np.array([float(weights.get(term, 0.0)) for term in self.estimates.terms])
        if not vector.any() or not np.isfinite(vector).all():
            raise ModelError("contrast: the weights must be finite and not all zero. Write {'term': 1, 'other': -1}.")
        return vector

    def random_effects(self) -> pd.DataFrame:
        """Predict the random effects (BLUPs), long: `group level term estimate std_error`.

        `level` numbers the sorted levels of the grouping factor from 0, so that no id leaves the caller's frame.
        `std_error` is the standard deviation of the effect given the outcome, fixed effects and variances taken as
        known (lme4's `ranef(condVar = TRUE)`); missing where thousands of clients have one therapist.
        """
        if fits_in_blocks(self.design):
            own = self._independent_rows("random_effects")
            deviations = effect_deviations(own.problem, own.batches, own.relative, self.sigma)
        else:
            deviations = [np.full((block.n_levels, len(block.names)), np.nan) for block in self.design.random]
        frames = [pd.DataFrame(columns=["group", "level", "term", "estimate", "std_error"])] * (not self.design.random)
        for block, effects, errors in zip(self.design.random, self._effects(), deviations, strict=True):
            level, column = np.indices(effects.shape)
            values = {"level": level, "term": np.array(block.names)[column], "estimate": effects, "std_error": errors}
            frames.append(pd.DataFrame({name: value.T.ravel() for name, value in values.items()}))
            frames[-1].insert(0, "group", block.group)
        return pd.concat(frames, ignore_index=True)

    def _independent_rows(self, where: str) -> IndependentRows:
        if not fits_in_blocks(self.design):
            groups = ", ".join(self.design.groups)
            raise ModelError(
                f"{where}: it needs matrices over all effects of {groups} that hang together, and here are too many. "
                "Use a part of the data."
            )
        return independent_rows(self.design, self.problem, self.attributes, self._phi, self.covariances, self.sigma)

    def _residual_variances(self) -> np.ndarray:
        """Residual variance (n,) of every row."""
        if self.attributes is None:
            return np.full(self.problem.n, self.sigma**2)
        return (self.sigma * row_deviations(self.attributes, self._phi)) ** 2

    def _effects(self) -> list[np.ndarray]:
        return random_effects(self.problem, self.solution.theta, self.solution.deviance.beta)

    def fitted(self) -> np.ndarray:
        """Predicted outcome (n,), random effects included, aligned with `rows`."""
        fitted = self.design.X @ self.estimates.estimate
        for block, effects in zip(self.design.random, self._effects(), strict=True):
            fitted = fitted + np.einsum("ij,ij->i", block.Z, effects[block.codes])
        return fitted

    def residuals(self, kind: ResidualKind = "response") -> np.ndarray:
        """Outcome minus `fitted()` (n,), aligned with `rows`.

        Parameters
        ----------
        kind : {"response", "normalized"}
            "normalized" divides by the residuals' standard deviations and takes their correlations out, series by
            series in the order of time: independent with variance 1 when the residual structure is right.
        """
        if kind not in get_args(ResidualKind):
            raise ModelError(f"residuals: kind must be 'response' or 'normalized', got {kind!r}.")
        residuals = self.design.y - self.fitted()
        if kind == "response":
            return residuals
        white = residuals if self.attributes is None else whiten(self.attributes, self._phi, residuals)
        return white / self.sigma

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.formula!r}, {self.criterion}, {self.problem.n} rows)"
        return f"{head}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.tidy()._repr_html_())
