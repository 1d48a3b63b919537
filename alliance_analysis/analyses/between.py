"""What unreliable client means do to a slope between clients, and the slope corrected for it beside the observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.result import Estimates
from alliance_analysis.study import vocabulary as v

OBSERVED, CORRECTED = "between, observed means", "between, corrected for unreliable means"
WITHIN, RELIABILITY = "within clients", "reliability of the mean"
_TERMS = (OBSERVED, CORRECTED, WITHIN, RELIABILITY)
MANY_THERAPISTS = 20  # from here on whole therapists are left out, below whole clients
FEWEST_CLIENTS = 10
LEAST_RELIABILITY = 0.2  # below, a corrected slope is mostly division by noise


@dataclass(frozen=True)
class BetweenSlopes:
    """Slopes of an outcome on an exposure between and within clients, with the reliability of the clients' means.

    Attributes
    ----------
    estimates : Estimates
        The four terms, standard errors by the jackknife.
    n_obs, n_client, n_groups : int
        Sessions, clients, and groups left out one at a time.
    group : str
        "therapist" or "client": what was left out.
    withheld : dict
        Term -> why it may not be shown.
    """

    estimates: Estimates
    n_obs: int
    n_client: int
    n_groups: int
    group: str
    withheld: dict[str, str]

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate: `term estimate std_error statistic df p_value conf_low conf_high`; df = groups - 1.

        A reliability is not tested against zero.
        """
        table = self.estimates.tidy(conf_level)
        table.loc[table["term"] == RELIABILITY, ["statistic", "p_value"]] = np.nan
        return table

    def glance(self) -> pd.DataFrame:
        """Return one row: `n_obs n_client se_method converged`."""
        method = f"jackknife over {self.n_groups} {self.group}s"
        row = {"n_obs": self.n_obs, "n_client": self.n_client, "se_method": method, "converged": True}
        return pd.DataFrame([row])


def between_slope_corrected(
    sessions: pd.DataFrame,
    *,
    exposure: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    take_out_course: bool = False,
) -> BetweenSlopes:
    """Estimate the slope between clients from observed means, and corrected for the unreliability of those means.

    A client's mean over a few sessions is the usual level plus error, and that error goes with the outcome by the slope
    *within* clients: the slope of observed means lies between the two. Where few sessions stand behind a mean, show the
    corrected slope beside the observed one. Trends and after-effects make means less reliable than assumed here.

    Parameters
    ----------
    sessions : DataFrame
        One row per session; rows with both ratings are used.
    exposure, outcome : str
        Numeric columns. An outcome that is one value per client has no slope within.
    take_out_course : bool
        Take the mean of each session number out of both: where both change over treatment, the slope within clients
        would else be that of the common course.

    Returns
    -------
    BetweenSlopes
        Terms: the slope of client means on client means (each client counts once), the same corrected, the slope within
        clients (what leaks into the means), and the reliability of the mean.

    Raises
    ------
    ModelError
        Fewer than 10 clients, or no client with two sessions.

    Notes
    -----
    lambda = tau^2 / (tau^2 + sigma^2 mean(1 / n_i)), tau^2 = var(means) - sigma^2 mean(1 / n_i), sigma^2 pooled within;
    E(slope of means) = lambda beta_B + (1 - lambda) beta_W, so beta_B = (slope - (1 - lambda) beta_W) / lambda.

    References
    ----------
    Lüdtke et al. 2008, 10.1037/a0012869; Croon & van Veldhoven 2007, 10.1037/1082-989X.12.1.45.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> usual, client = rng.normal(size=200), np.repeat(np.arange(200), 4)
    >>> alliance = usual[client] + rng.normal(size=800)
    >>> frame = pd.DataFrame({"client": client, "alliance_client": alliance, "symptoms": -3.0 * usual[client]})
    >>> between_slope_corrected(frame).tidy().set_index("term")["estimate"].round(1).to_dict()[CORRECTED]
    -3.0
    """
    known = sessions.dropna(subset=[exposure, outcome])
    if take_out_course:
        known = known.assign(**{name: _without_course(known, name) for name in (exposure, outcome)})
    clients = _client_sums(known, exposure, outcome)
    if len(clients) < FEWEST_CLIENTS or clients["n"].max() < 2:
        most = int(clients["n"].max()) if len(clients) else 0
        raise ModelError(
            f"between_slope_corrected: {len(clients)} clients with both ratings, at most {most} sessions each; "
            f"{FEWEST_CLIENTS} clients and sessions that repeat are needed. Leave the correction out."
        )
    group, codes = _groups(clients)
    sums = _sums(clients)
    everyone = sums.sum(axis=0)
    per_group = np.zeros((codes.max() + 1, sums.shape[1]))
    np.add.at(per_group, codes, sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate, left_out = _slopes(everyone), _slopes(everyone - per_group)
    J = len(per_group)
    std_error = np.sqrt((J - 1) / J * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    estimates = Estimates(_TERMS, estimate, std_error, np.full(len(_TERMS), J - 1.0))
    persons = known[v.CLIENT].nunique()
    return BetweenSlopes(estimates, len(known), persons, J, group, _withheld(estimate[3]))


def _without_course(known: pd.DataFrame, column: str) -> pd.Series:
    values = known[column].astype(float)
    return values - values.groupby(known[v.SESSION]).transform("mean") + values.mean()


def _client_sums(known: pd.DataFrame, exposure: str, outcome: str) -> pd.DataFrame:
    """Return per client (dyad) the number of sessions, the means, and the sums of squares and products within."""
    keys = dyad_keys(known)
    # far from zero, squares lose their digits
    x, y = (known[name].astype(float) - known[name].astype(float).mean() for name in (exposure, outcome))
    frame = known[keys].assign(x=x, y=y)
    means = frame.groupby(keys)[["x", "y"]].transform("mean")
    dx, dy = frame["x"] - means["x"], frame["y"] - means["y"]
    frame = frame.assign(sxx=dx * dx, sxy=dx * dy, n=1.0)
    clients = frame.groupby(keys)
    return clients[["x", "y"]].mean().join(clients[["sxx", "sxy", "n"]].sum()).reset_index()


def _groups(clients: pd.DataFrame) -> tuple[str, np.ndarray]:
    if v.THERAPIST in clients and clients[v.THERAPIST].nunique() >= MANY_THERAPISTS:
        return v.THERAPIST, pd.factorize(clients[v.THERAPIST])[0]
    return v.CLIENT, pd.factorize(clients[v.CLIENT])[0]


def _sums(clients: pd.DataFrame) -> np.ndarray:
    """Return what the slopes are made of, (clients, 9), so that leaving someone out is a subtraction."""
    n, x, y, sxx, sxy = (clients[name].to_numpy(dtype=float) for name in ("n", "x", "y", "sxx", "sxy"))
    return np.column_stack([np.ones_like(n), x, y, x * x, x * y, 1 / n, n - 1, sxx, sxy])


def _slopes(sums: np.ndarray) -> np.ndarray:
    """Return observed, corrected and within slope and reliability (..., 4) from sums (..., 9)."""
    m, x, y, xx, xy, inverse_n, df, sxx, sxy = np.moveaxis(sums, -1, 0)
    variance, covariance = (xx - x * x / m) / (m - 1), (xy - x * y / m) / (m - 1)
    observed = covariance / variance
    within = np.where(sxx > 0, sxy / np.where(sxx > 0, sxx, 1.0), 0.0)
    reliability = 1 - sxx / df * inverse_n / m / variance
    corrected = (observed - (1 - reliability) * within) / reliability
    return np.stack([observed, corrected, within, reliability], axis=-1)


def _withheld(reliability: float) -> dict[str, str]:
    if reliability >= LEAST_RELIABILITY:
        return {}
    reason = (
        f"the reliability of the client means is {reliability:.2f}, below {LEAST_RELIABILITY}: too little of what "
        "differs between means differs between clients"
    )
    return {CORRECTED: reason}
