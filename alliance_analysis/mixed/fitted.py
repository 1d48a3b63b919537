"""The frozen result of `fit_mixed`: its tables, and questions that need more than reading, each answered elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.bootstrap import Bootstrap, Progress, Statistic, bootstrap_fit
from alliance_analysis.mixed.derived import Derived, derive_from_fit
from alliance_analysis.mixed.influence import delete_groups, refit_without, tabulate_changes
from alliance_analysis.mixed.predict import (
    Effects,
    code_rows,
    fixed_variance,
    known_variance,
    random_variance,
    row_df,
)
from alliance_analysis.mixed.profile import Source, profile_parameters
from alliance_analysis.mixed.rcode import Model, r_code
from alliance_analysis.mixed.small_sample import covariance_for_tests
from alliance_analysis.mixed.tables import FitTables
from alliance_analysis.result import Estimates, check_conf_level


@dataclass(frozen=True, repr=False)
class MixedFit(FitTables):
    """A fitted linear mixed model: what may be said from it, and how far that may be trusted.

    Its attributes are those of `FitTables`; it keeps no frame. `tidy`, `glance`, `variance_components`, `contrast`,
    `test`, `r2` and `random_effects` read the estimates; `profile`, `bootstrap`, `influence` and `predict` try the
    model on other values and rows; `to_r` says it in R.
    """

    def profile(self, terms: Sequence[str] | None = None, *, conf_level: float = 0.95) -> pd.DataFrame:
        """Find intervals from the likelihood itself, for fixed effects, standard deviations and correlations.

        Wald intervals are symmetric; these follow the likelihood's shape, which matters for variances. As in lme4 the
        likelihood is that of ML also for a fit by REML.

        Parameters
        ----------
        terms : sequence of str, optional
            Fixed terms, and variance parameters as lme4 names them: "sd_time|client", "cor_time.(Intercept)|client",
            "sigma", "rho". By default all.
        conf_level : float

        Returns
        -------
        pandas.DataFrame
            `term kind estimate conf_low conf_high`; `kind` is "sd", "cor", "residual" (as `residual_parameters` names
            them) or "fixed", `estimate` the fit's own. The
            lower limit of a standard deviation is 0 where the data do not exclude 0; a correlation's limits are -1 or
            1 where they do not exclude those. NaN where no limit was found.

        Raises
        ------
        ModelError
            For a parameter the model does not have, and for a fit that did not converge.

        References
        ----------
        Bates, Mächler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01. Venzon & Moolgavkar (1988),
        doi:10.2307/2347496.
        """
        check_conf_level(conf_level)
        wanted = (terms,) if isinstance(terms, str) else terms
        return profile_parameters(self._source("profile"), wanted, conf_level)

    def bootstrap(
        self,
        n: int = 1000,
        *,
        seed: int = 1,
        statistic: Statistic | None = None,
        progress: Progress | None = None,
    ) -> Bootstrap:
        """Draw outcomes from the fit, fit the model to each, and see how far the estimates spread.

        For intervals of variances, correlations and functions of several parameters, with few clients or therapists.

        Parameters
        ----------
        n : int
            Number of replicates; 1000 for percentile intervals.
        seed : int
            Replicate i depends on the seed and i alone: the same numbers whatever runs it.
        statistic : callable, optional
            From a `Replicate` (terms, beta, covariances, sigma, phi, log_lik) to a mapping of names to numbers.
        progress : callable, optional
            Called with (done, total) after each replicate.

        Returns
        -------
        Bootstrap
            `tidy(conf_level)`, `draws`, and how many refits failed or were singular.

        Raises
        ------
        ModelError
            For n < 2 or a negative seed, and for a fit that did not converge.

        References
        ----------
        Davison & Hinkley (1997), doi:10.1017/CBO9780511802843.

        Examples
        --------
        >>> from alliance_analysis.mixed.fit import fit_mixed
        >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
        >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
        >>> fit_mixed("y ~ time + (1 | client)", frame).bootstrap(20).tidy()["term"].tolist()
        ['(Intercept)', 'time', 'sd_(Intercept)|client', 'sigma']
        """
        return bootstrap_fit(self._source("bootstrap"), n, seed, statistic, progress)

    def derive(self, statistic: Statistic) -> Derived:
        """Evaluate functions of the parameters, such as a correlation or a share, with delta-method standard errors.

        For quantities whose distribution is near normal on some scale; near a boundary `profile` and `bootstrap` say
        more.

        Parameters
        ----------
        statistic : callable
            From a `Replicate` (terms, beta, covariances, sigma, residual) to a mapping of names to numbers.

        Returns
        -------
        Derived
            `tidy(conf_level, scales)` and the covariance of the values.

        Raises
        ------
        ModelError
            For a fit that did not converge.

        Examples
        --------
        >>> from alliance_analysis.mixed.fit import fit_mixed
        >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
        >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
        >>> fit = fit_mixed("y ~ time + (1 | client)", frame)
        >>> share = fit.derive(lambda at: {"icc": at.covariances[0][0, 0] / (at.covariances[0][0, 0] + at.sigma**2)})
        >>> share.tidy(scales={"icc": "logit"})[["estimate", "conf_low", "conf_high"]].round(2).to_numpy().tolist()
        [[0.64, 0.32, 0.86]]
        """
        return derive_from_fit(self._source("derive"), statistic)

    def _source(self, where: str) -> Source:
        if not self.converged:
            raise ModelError(
                f"{where}: the fit did not converge; nothing may be taken from it. Simplify the random terms."
            )
        return Source(self.design, self.problem, self.solution, self.attributes)

    def to_r(self, path: str = "prepared.csv") -> str:
        """Write R code that fits the same model: lmerTest, or nlme under a residual structure.

        Parameters
        ----------
        path : str
            What the code reads: the file `write_prepared` wrote.

        Returns
        -------
        str
            Code with the factors' levels, criterion, controls, and the log-likelihood to expect.

        Raises
        ------
        ModelError
            For what R codes otherwise (`bs`, `||` with a factor), and residual structures nlme does not have.
        """
        structures = self.attributes.structures if self.attributes else ()
        whole = self.attributes is not None and self.attributes.model.serial == "whole"
        model = Model(self.formula, self.criterion, self.df_method, self.design, structures, self.log_lik, whole)
        return r_code(model, path)

    def influence(self, group: str, *, refit: bool = False) -> pd.DataFrame:
        """Leave out each level of a grouping factor in turn: how far would the fixed effects move?

        Parameters
        ----------
        group : str
            A grouping factor of the model, for example "client" or "therapist".
        refit : bool
            Estimate the variances anew each time; by default they are held, which needs no new fit.

        Returns
        -------
        pandas.DataFrame
            `group level n change_<term>... cooks_distance`, one row per level; levels are numbered as in
            `random_effects`, `n` counts rows. A change is the estimate without the level minus the one with it, in the
            outcome's unit; NaN where a term cannot be estimated without the level.

        Raises
        ------
        ModelError
            For a group the model does not have, and `refit` under a residual structure.

        References
        ----------
        Demidenko & Stukel (2005), doi:10.1002/sim.1974. Loy & Hofmann (2014), doi:10.18637/jss.v056.i05.
        """
        if group not in self.design.groups:
            names = ", ".join(self.design.groups)
            raise ModelError(f"influence: '{group}' is not a grouping factor of the model; its factors are {names}.")
        if refit and self.attributes is not None:
            raise ModelError("influence: refit=True is for independent residuals only. Use refit=False.")
        if refit:
            deleted = refit_without(self.design, self.problem, self.solution, group)
        else:
            deleted = delete_groups(self._independent_rows("influence"), group)
        return tabulate_changes(deleted, group, self.estimates, self.fixed_covariance)

    def predict(
        self, new: pd.DataFrame | None = None, *, effects: Effects = "fixed", conf_level: float = 0.95
    ) -> pd.DataFrame:
        """Predict the outcome, for the rows of the fit or for new ones.

        Parameters
        ----------
        new : pandas.DataFrame, optional
            Rows with the columns of the formula, coded as in the fit: factors with its levels, `scale`, `center`,
            `poly` and `bs` with its means, knots and so on. By default the rows of the fit.
        effects : {"fixed", "known", "new"}
            "fixed": the mean of all with these predictors. "known": the mean of these clients and therapists, who must
            be in the fit; their predicted effects are added. "new": one score of somebody who is not in the fit.
        conf_level : float

        Returns
        -------
        pandas.DataFrame
            `estimate std_error df conf_low conf_high`, one row per row; NaN where a predictor is missing. `std_error`
            holds the error of the fixed effects; with "known" also that of the random effects; with "new" the spread
            of new groups and of single scores, so that the interval is one for a score (normal quantiles, the variances
            taken as known; the same holds for "known").

        Raises
        ------
        ModelError
            For a column or level the fit does not know, unknown groups under "known", or new rows under "new" when the
            fit has several residual variances.

        Examples
        --------
        >>> from alliance_analysis.mixed.fit import fit_mixed
        >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
        >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
        >>> fit = fit_mixed("y ~ time + (1 | client)", frame)
        >>> fit.predict(pd.DataFrame({"time": [0, 5]}))["estimate"].round(2).tolist()
        [1.37, -0.73]
        """
        check_conf_level(conf_level)
        rows = code_rows(self.design, new, effects)
        covariance = covariance_for_tests(self.small_sample, self.fixed_covariance)
        estimate, df = rows.X @ self.estimates.estimate, np.full(len(rows.X), np.inf)
        if effects == "known":
            for Z, codes, effect in zip(rows.Z, rows.codes, self._effects(), strict=True):
                estimate = estimate + np.einsum("ij,ij->i", Z, effect[codes])
            variance = known_variance(rows, self._independent_rows("predict"), self.fixed_covariance, self.sigma)
        elif effects == "new":
            variances = self._residual_variances()
            if new is not None and np.ptp(variances) > 0:
                raise ModelError(
                    "predict: the residual variance of new rows is not known, as this fit has several. "
                    "Use effects='fixed', or new=None for the rows of the fit."
                )
            residual = variances if new is None else variances[0]
            variance = fixed_variance(rows.X, covariance) + random_variance(rows.Z, self.covariances) + residual
        else:
            variance, df = fixed_variance(rows.X, covariance), row_df(rows.X, self.small_sample)
        df = np.where(np.isnan(estimate), np.nan, df)
        table = Estimates(tuple(map(str, range(len(rows.X)))), estimate, np.sqrt(variance), df).tidy(conf_level)
        return table[["estimate", "std_error", "df", "conf_low", "conf_high"]]
