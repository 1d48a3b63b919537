"""What a fitted panel VAR hands out: tables of lagged coefficients, courses, variances, tests and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.panel.course import Course, TimeShape
from alliance_analysis.panel.inference import likelihood_ratio, profile_limit
from alliance_analysis.panel.parameters import PanelParameters
from alliance_analysis.panel.problem import PanelProblem, unpack
from alliance_analysis.panel.search import PanelSolution
from alliance_analysis.panel.series import PanelSeries
from alliance_analysis.result import Estimates, check_conf_level

_SHAPE_WORDS = {"none": "no time", "linear": "time", "log": "log(session)", "quadratic": "time + time squared"}


@dataclass(frozen=True)
class PanelVarFit:
    """A fitted panel VAR: numbers, the ratings as arrays, and what may be said from them; it keeps no frame.

    Attributes
    ----------
    series : PanelSeries
    course : Course
    problem : PanelProblem
    solution : PanelSolution
    time_shape : str
    scale : ndarray, shape (K,)
        Pooled within-client SDs of the ratings, by which the search divided the series.
    parameters : PanelParameters
        A, S, G, beta in the data's units.
    covariance : ndarray, shape (k, k)
        Of theta, clustered by therapist where `df` is finite.
    df : float
        Therapists - 1 where standard errors are clustered, else infinite.
    se_method : str
    log_lik : float
    singular : bool
        Whether the clients' covariance G is at the boundary.
    withheld : dict
        Term -> why no report may show it.
    """

    series: PanelSeries
    course: Course
    problem: PanelProblem
    solution: PanelSolution
    time_shape: TimeShape
    scale: np.ndarray
    parameters: PanelParameters
    covariance: np.ndarray
    df: float
    se_method: str
    log_lik: float
    singular: bool
    withheld: dict[str, str]

    @property
    def formula(self) -> str:
        """The model in one line."""
        time = _SHAPE_WORDS.get(self.time_shape, "a mean per session")
        varying = " and ".join(dict.fromkeys(name for _, name in self.course.random))
        names = ", ".join(self.series.columns)
        return f"{names} ~ {time}; {varying} vary between clients; deviations depend on those one session before"

    @property
    def terms(self) -> tuple[str, ...]:
        """Entries of A, row by row: "predictor -> outcome"."""
        return tuple(
            name_lag(predictor, outcome) for outcome in self.series.columns for predictor in self.series.columns
        )

    @property
    def converged(self) -> bool:
        """True when the gradient is zero and the likelihood falls off in every direction."""
        return self.solution.converged

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate A: what each series' deviation says about the others' and its own at the next session.

        Parameters
        ----------
        conf_level : float

        Returns
        -------
        DataFrame
            `term estimate std_error statistic df p_value conf_low conf_high outcome predictor`; units of the outcome
            per unit of the predictor. Wald tests; `test` and `profile` use the likelihood itself.
        """
        return self._labelled(self._transition(np.ones((self.series.n_series,) * 2)).tidy(conf_level))

    def standardised(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate A in standard deviations, of the deviations w and of the observed ratings within clients.

        Returns
        -------
        DataFrame
            The columns of `tidy` and `metric`: "deviations" (SDs of w, without level and trend) or "observed" (pooled
            within-client SDs of the ratings, which contain the trends); intervals are scaled alike.
        """
        tables = [
            self._labelled(self._transition(np.outer(1 / sd, sd)).tidy(conf_level)).assign(metric=metric)
            for metric, sd in (("deviations", self.deviation_sd), ("observed", self.scale))
        ]
        return pd.concat(tables, ignore_index=True)

    @property
    def deviation_sd(self) -> np.ndarray:
        """Standard deviations (K,) of the deviations w from level and trend."""
        return np.sqrt(np.diagonal(self.parameters.deviation_covariance(self.series.n_occasions)))

    def same_session(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the correlations of the deviations' new parts in the same session (an association, no prediction).

        Returns
        -------
        DataFrame
            `term estimate std_error statistic df p_value conf_low conf_high covariance`; the interval is made on
            Fisher's z and turned back, `statistic` is z over its standard error, `std_error` the correlation's.
        """
        pairs = list(combinations(range(self.series.n_series), 2))
        S = self.parameters.innovation
        r, std_error = self._of_innovation(lambda C: np.array([C[i, j] / np.sqrt(C[i, i] * C[j, j]) for i, j in pairs]))
        names = tuple(f"{self.series.columns[i]} with {self.series.columns[j]}" for i, j in pairs)
        fisher = Estimates(names, np.arctanh(r), std_error / (1 - r**2), np.full(len(r), self.df)).tidy(conf_level)
        limits = {"conf_low": np.tanh(fisher["conf_low"]), "conf_high": np.tanh(fisher["conf_high"])}
        covariance = np.array([S[i, j] for i, j in pairs])
        return fisher.assign(estimate=r, std_error=std_error, **limits, covariance=covariance)

    def same_session_slope(self, outcome: str, predictor: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Estimate the slope of one series' new part on another's in the same session, in SDs of the deviations.

        With symptoms rated before and the alliance after a session, the slope of the alliance on symptoms is how the
        alliance follows symptoms within the session.

        Returns
        -------
        DataFrame
            One row with the columns of `tidy`.
        """
        k, m = (self.series.columns.index(self._column(name)) for name in (outcome, predictor))
        unit = self.deviation_sd[m] / self.deviation_sd[k]
        slope, std_error = self._of_innovation(lambda C: np.array([C[k, m] / C[m, m]]))
        name = f"{outcome} on {predictor}, same session"
        return Estimates((name,), slope * unit, std_error * unit, np.array([self.df])).tidy(conf_level)

    def trends(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the average course of each series: `tidy`'s columns and `outcome`, in the data's units."""
        back = self.course.to_terms * self.scale[[k for k, _ in self.course.terms]]
        covariance = back @ np.linalg.inv(self.solution.deviance.information) @ back.T
        names = tuple(f"{self.series.columns[k]}: {name}" for k, name in self.course.terms)
        df = np.full(len(names), np.inf)
        table = Estimates(names, self.parameters.course, np.sqrt(np.diagonal(covariance)), df).tidy(conf_level)
        return table.assign(outcome=[self.series.columns[k] for k, _ in self.course.terms])

    def variance_components(self) -> pd.DataFrame:
        """Tabulate G (group "client"), P of the deviations ("deviation") and S of their new parts ("innovation").

        Returns
        -------
        DataFrame
            `group term term2 estimate std_dev`; a covariance names both terms and has the correlation as `std_dev`.
        """
        columns = self.series.columns
        effects = [f"{columns[k]}: {name}" for k, name in self.course.random]
        deviation = self.parameters.deviation_covariance(self.series.n_occasions)
        parts = [
            *_matrix_rows("client", effects, self.parameters.client),
            *_matrix_rows("deviation", columns, deviation),
            *_matrix_rows("innovation", columns, self.parameters.innovation),
        ]
        return pd.DataFrame(parts, columns=["group", "term", "term2", "estimate", "std_dev"])

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row.

        Returns
        -------
        DataFrame
            `n_obs` (sessions with a rating) `n_ratings n_client n_occasions log_lik aic bic criterion converged
            singular singular_level largest_eigenvalue decrement time_shape initial se_method df_method`, and
            `n_therapist` (or another cluster column) where it is known. BIC counts clients.
        """
        parameters = self.problem.n_theta + self.problem.X.shape[1]
        row = {
            "n_obs": int((self.series.client >= 0).sum()),
            "n_ratings": self.problem.n_ratings,
            "n_client": self.series.n_persons,
            "n_occasions": self.series.n_occasions,
            "log_lik": self.log_lik,
            "aic": -2 * self.log_lik + 2 * parameters,
            "bic": -2 * self.log_lik + np.log(self.series.n_clients) * parameters,
            "criterion": "ML",
            "converged": self.converged,
            "singular": self.singular,
            "singular_level": "client" if self.singular else "",
            "largest_eigenvalue": self.parameters.largest_eigenvalue,
            "decrement": self.solution.decrement,
            "time_shape": self.time_shape,
            "initial": "stationary" if self.problem.stationary else "free",
            "se_method": self.se_method,
            "df_method": "normal" if np.isinf(self.df) else "clusters - 1",
        }
        if self.series.cluster is not None:
            row[f"n_{self.series.cluster_name}"] = int(self.series.cluster.max()) + 1
        return pd.DataFrame([row])

    def test(self, terms: str | Sequence[str]) -> pd.DataFrame:
        """Test by likelihood ratio that entries of A are zero.

        Parameters
        ----------
        terms : str or sequence of str
            As in `tidy`; several are tested together.

        Returns
        -------
        DataFrame
            One row: `term chisq df p_value`. Clients count as independent, also where standard errors are clustered.
        """
        chosen = [terms] if isinstance(terms, str) else list(terms)
        which = np.array([self._position(term) for term in chosen])
        chisq, p_value = likelihood_ratio(self.problem, self.solution, which)
        return pd.DataFrame([{"term": ", ".join(chosen), "chisq": chisq, "df": len(which), "p_value": p_value}])

    def profile(self, terms: str | Sequence[str] | None = None, conf_level: float = 0.95) -> pd.DataFrame:
        """Find profile-likelihood intervals of entries of A: all values that the likelihood does not reject.

        Parameters
        ----------
        terms : str or sequence of str, optional
            Default: all.
        conf_level : float

        Returns
        -------
        DataFrame
            `term estimate conf_low conf_high`; a limit is NaN where the likelihood never falls so far inside the
            stationary region.
        """
        check_conf_level(conf_level)
        chosen = [terms] if isinstance(terms, str) else list(self.terms if terms is None else terms)
        rows = []
        for term in chosen:
            which = self._position(term)
            unit = self._unit().ravel()[which]
            low, high = (profile_limit(self.problem, self.solution, which, side, conf_level) * unit for side in (-1, 1))
            rows.append((term, self.parameters.transition.ravel()[which], low, high))
        return pd.DataFrame(rows, columns=["term", "estimate", "conf_low", "conf_high"])

    def _unit(self) -> np.ndarray:
        """Return what one unit of theta's A is in the data's units (K, K)."""
        return np.outer(self.scale, 1 / self.scale)

    def _transition(self, factor: np.ndarray) -> Estimates:
        K = self.series.n_series
        spread = np.sqrt(np.diagonal(self.covariance)[: K * K]) * self._unit().ravel()
        estimate = (self.parameters.transition * factor).ravel()
        return Estimates(self.terms, estimate, spread * factor.ravel(), np.full(K * K, self.df))

    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        columns = self.series.columns
        return table.assign(outcome=np.repeat(columns, len(columns)), predictor=np.tile(columns, len(columns)))

    def _position(self, term: str) -> int:
        if term not in self.terms:
            raise ModelError(f"panel VAR: '{term}' is not a term of the model; its terms are {', '.join(self.terms)}.")
        return self.terms.index(term)

    def _column(self, name: str) -> str:
        if name not in self.series.columns:
            columns = ", ".join(self.series.columns)
            raise ModelError(f"panel VAR: {name!r} is no series of the model; its series are {columns}.")
        return name

    def _of_innovation(self, quantity: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return quantities made from S and their standard errors by the delta method."""
        step, theta = 1e-6, self.solution.theta

        def made(at: np.ndarray) -> np.ndarray:
            factor = unpack(at, self.problem)[1][0]
            return quantity(factor @ factor.T * np.outer(self.scale, self.scale))

        slopes = np.array([(made(theta + u) - made(theta - u)) / (2 * step) for u in step * np.eye(len(theta))]).T
        return made(theta), np.sqrt(np.einsum("pk,kl,pl->p", slopes, self.covariance, slopes))

    def __repr__(self) -> str:
        head = f"PanelVarFit({self.formula}; {self.series.n_clients} clients)"
        return f"{head}\n{self.tidy().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.tidy()._repr_html_())


def name_lag(predictor: str, outcome: str) -> str:
    """Return the term of `predictor`'s deviation at one session in `outcome` at the next."""
    return f"{predictor} -> {outcome}"


def _matrix_rows(group: str, names: Sequence[str], covariance: np.ndarray) -> list[tuple[str, str, str, float, float]]:
    deviations = np.sqrt(np.diagonal(covariance))
    rows = [(group, name, "", float(covariance[i, i]), float(deviations[i])) for i, name in enumerate(names)]
    for i, j in combinations(range(len(names)), 2):
        scale = float(deviations[i] * deviations[j])
        correlation = float(covariance[i, j]) / scale if scale > 0 else np.nan
        rows.append((group, names[i], names[j], float(covariance[i, j]), correlation))
    return rows
