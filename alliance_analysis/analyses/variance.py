"""How a measure's variance divides among therapists, clients and sessions, with intervals and a test for therapists."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import TIME_TERMS, RefusedFit, TimeShape, fit_or_refuse
from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.bootstrap import Bootstrap, Replicate
from alliance_analysis.mixed.compare import compare_fits
from alliance_analysis.mixed.fit import MixedFit
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.result import TIDY_COLUMNS, blank_withheld
from alliance_analysis.study import vocabulary as v

_GROUPS = (v.THERAPIST, v.CLIENT)
TERMS = ("share_therapist", "share_client", "share_within")
_DUST = 1e-8
_AT_ZERO = "the {} variance is estimated at zero; these data cannot tell it from zero"


@dataclass(frozen=True)
class VarianceShares:
    """Shares of a measure's variance beyond its average course: between therapists, clients of a therapist, sessions.

    Attributes
    ----------
    measure : str
    fit : MixedFit or RefusedFit
        `measure ~ time shape + (1 | client) + (1 | therapist)`, REML.
    bootstrap : Bootstrap or None
        Draws of the shares from the fit; None where the model was refused.
    without : MixedFit, RefusedFit or None
        The same model without a variance between therapists.
    """

    measure: str
    fit: MixedFit | RefusedFit
    bootstrap: Bootstrap | None
    without: MixedFit | RefusedFit | None

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return self.fit.formula if isinstance(self.fit, MixedFit) else ""

    @property
    def levels(self) -> dict[str, str]:
        """Return the level of each share, as `report.record` asks for it."""
        return dict.fromkeys(TERMS, v.LEVEL_VARIANCE)

    @property
    def withheld(self) -> dict[str, str]:
        """Share -> why it has no number."""
        if isinstance(self.fit, RefusedFit):
            return dict.fromkeys(TERMS, self.fit.reason)
        if not self.fit.converged:
            return dict.fromkeys(TERMS, "the model did not converge")
        return {f"share_{group}": _AT_ZERO.format(group) for group in self.fit.singular_level}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the shares: the columns of every fit; percentile intervals and SDs of the bootstrap, no test."""
        table = pd.DataFrame(np.nan, index=range(len(TERMS)), columns=list(TIDY_COLUMNS[1:]))
        table.insert(0, "term", TERMS)
        if self.bootstrap is not None:
            found = self.bootstrap.tidy(conf_level).set_index("term").loc[list(TERMS)]
            for column in ("estimate", "std_error", "conf_low", "conf_high"):
                table[column] = found[column].to_numpy()
        return blank_withheld(table, self.withheld)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; `se_method` says where the intervals come from."""
        table = self.fit.glance().drop(columns=["df_method", "df_basis"], errors="ignore")  # shares have no df
        draws = 0 if self.bootstrap is None else len(self.bootstrap.draws)
        return table.assign(se_method=f"parametric bootstrap, {draws} draws, percentile intervals")


def fit_variance_shares(
    data: pd.DataFrame,
    measure: str,
    shape: TimeShape = "log",
    *,
    n_bootstrap: int = 500,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> VarianceShares:
    """Divide what varies in a measure beyond its average course among therapists, clients and sessions.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`: sessions with therapist ids and the columns of the time shape.
    measure : str
    shape : TimeShape
        Average course that is taken out; individual courses stay within clients.
    n_bootstrap : int
        Draws for the intervals.
    seed : int
        Draw i comes from ``SeedSequence([seed, i])``.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    VarianceShares

    Notes
    -----
    share of a level = its variance / sum of all three. A share whose variance is estimated at zero is withheld.

    Examples
    --------
    >>> from alliance_analysis.prepare import add_time
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> data = add_time(simulate_study(1, StudyDesign(n_clients=60, n_therapists=12, n_sessions=6)).sessions)
    >>> fit_variance_shares(data, "alliance_client", n_bootstrap=5).tidy()["estimate"].sum().round(6)
    np.float64(1.0)
    """
    time = TIME_TERMS[shape] or "1"
    clients = f"{measure} ~ {time} + (1 | {v.CLIENT})"
    with warnings.catch_warnings():
        # a variance at zero is said in `withheld`
        warnings.simplefilter("ignore", FitWarning)
        fit = fit_or_refuse(f"{clients} + (1 | {v.THERAPIST})", data, "normal", TERMS[0])
        if isinstance(fit, RefusedFit):
            return VarianceShares(measure, fit, None, None)
        without = fit_or_refuse(clients, data, "normal", TERMS[0])
        order = [block.group for block in fit.design.random]
        bootstrap = fit.bootstrap(n_bootstrap, seed=seed, statistic=_share_by(order), progress=progress)
    return VarianceShares(measure, fit, bootstrap, without)


def _share_by(order: Sequence[str]) -> Callable[[Replicate], dict[str, float]]:
    """Return the statistic that divides one replicate's variance; its random terms come in this order of groups."""

    def shares(replicate: Replicate) -> dict[str, float]:
        variances = {group: float(G[0, 0]) for group, G in zip(order, replicate.covariances, strict=True)}
        parts = [*(variances[group] for group in _GROUPS), replicate.sigma**2]
        shares = np.array(parts) / sum(parts)
        # a variance at zero is left by the optimiser as dust of rounding
        return dict(zip(TERMS, np.where(shares < _DUST, 0.0, shares).tolist(), strict=True))

    return shares


def compare_therapist_variance(shares: Sequence[VarianceShares], conf_level: float = 0.95) -> pd.DataFrame:
    """Test the variance between therapists of several measures by the likelihood ratio.

    Parameters
    ----------
    shares : sequence of VarianceShares
    conf_level : float
        Of the interval.

    Returns
    -------
    DataFrame
        `measure std_dev std_dev_low std_dev_high chisq p_mixture n_therapists note`: the standard
        deviation between therapists in the measure's unit with its profile interval, and the p-value from the 50:50
        mixture for a variance at its boundary.

    References
    ----------
    Self & Liang (1987), doi:10.1080/01621459.1987.10478472.
    """
    return pd.DataFrame([_compare(one, conf_level) for one in shares], columns=_TEST_COLUMNS)


_TEST_COLUMNS = [
    "measure", "std_dev", "std_dev_low", "std_dev_high", "chisq", "p_mixture", "n_therapists", "note",
]  # fmt: skip


def _compare(shares: VarianceShares, conf_level: float) -> dict[str, object]:
    row: dict[str, object] = {"measure": shares.measure}
    if not isinstance(shares.fit, MixedFit) or not isinstance(shares.without, MixedFit):
        return row | {"note": shares.withheld.get(TERMS[0], "the model could not be fitted")}
    large = compare_fits(shares.without, shares.fit).iloc[1]
    found = shares.fit.profile([f"sd_{INTERCEPT}|{v.THERAPIST}"], conf_level=conf_level).iloc[0]
    deviation = {"std_dev": "estimate", "std_dev_low": "conf_low", "std_dev_high": "conf_high"}
    told = TERMS[0] not in shares.withheld
    return row | {
        **{name: float(found[column]) if told else np.nan for name, column in deviation.items()},
        "chisq": large["chisq"],
        "p_mixture": large["p_mixture"],
        "n_therapists": int(shares.fit.glance()[f"n_{v.THERAPIST}"].iloc[0]),
        "note": shares.withheld.get(TERMS[0], ""),
    }
