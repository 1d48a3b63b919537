"""How often 95 % intervals hold the truth: three-level studies with few therapists, simulated and refitted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import DfMethod, fit_mixed

FORMULA = "y ~ time + within + between_client + between_therapist + (1 | therapist) + (1 | client)"
TRUTH = {"(Intercept)": 20.0, "time": -1.0, "within": -0.5, "between_client": -1.0, "between_therapist": 0.0}
COLUMNS = ["therapist_icc", "term", "df_method", "n_datasets", "n_singular", "covered", "mc_error", "median_df"]


@dataclass(frozen=True)
class SmallStudy:
    """A study of few therapists; variances add up to 1 between therapists, clients and sessions.

    Attributes
    ----------
    therapist_icc, client_icc : float
        Shares of the variance between therapists, and between clients of a therapist.
    n_therapists : int
    n_sessions : int
        Per client; one in ten is missing.
    """

    therapist_icc: float
    client_icc: float = 0.40
    n_therapists: int = 10
    n_sessions: int = 8

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw one study: 3 to 9 clients per therapist, the alliance split into its three parts."""
        caseload = rng.integers(3, 10, self.n_therapists)
        therapist_of = np.repeat(np.arange(self.n_therapists), caseload)
        client = np.repeat(np.arange(len(therapist_of)), self.n_sessions)
        frame = pd.DataFrame({"therapist": therapist_of[client], "client": client})
        frame["time"] = np.tile(np.arange(self.n_sessions) / (self.n_sessions - 1), len(therapist_of))
        frame["within"] = rng.standard_normal(len(frame))
        frame["between_client"] = rng.standard_normal(len(therapist_of))[client]
        frame["between_therapist"] = rng.standard_normal(self.n_therapists)[frame["therapist"]]
        residual = 1 - self.therapist_icc - self.client_icc
        frame["y"] = (
            TRUTH["(Intercept)"]
            + sum(TRUTH[name] * frame[name] for name in TRUTH if name in frame)
            + np.sqrt(self.therapist_icc) * rng.standard_normal(self.n_therapists)[frame["therapist"]]
            + np.sqrt(self.client_icc) * rng.standard_normal(len(therapist_of))[client]
            + np.sqrt(residual) * rng.standard_normal(len(frame))
        )
        return frame[rng.random(len(frame)) > 0.1].reset_index(drop=True)


def simulate_coverage(
    therapist_icc: float,
    *,
    n_datasets: int = 1000,
    seed: int = 1,
    df: DfMethod = "kenward-roger",
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate studies with 10 therapists, refit the model that made them, and count the intervals that hold the truth.

    Parameters
    ----------
    therapist_icc : float
        Share of the variance between therapists.
    n_datasets : int
        All of them count, those with a singular fit too.
    seed : int
        Data set i draws from ``SeedSequence([seed, i])``.
    df : {"kenward-roger", "satterthwaite", "normal"}
        How the intervals are made.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    DataFrame
        `therapist_icc term df_method n_datasets n_singular covered mc_error median_df`, one row per term; `covered` is
        a share, `mc_error` its Monte Carlo standard error.

    Examples
    --------
    >>> simulate_coverage(0.15, n_datasets=3, df="normal")["n_datasets"].unique().tolist()
    [3]
    """
    study = SmallStudy(therapist_icc)
    tables, singular = [], 0
    for i in range(n_datasets):
        data = study.draw(np.random.default_rng(np.random.SeedSequence([seed, i])))
        with warnings.catch_warnings():
            # a therapist variance at zero is what happens in such studies: its intervals count as well
            warnings.simplefilter("ignore", FitWarning)
            fit = fit_mixed(FORMULA, data, df=df)
        singular += fit.singular
        tables.append(fit.tidy()[["term", "df", "conf_low", "conf_high"]])
        if progress is not None:
            progress(i + 1, n_datasets)
    rows = pd.concat(tables, ignore_index=True)
    truth = rows["term"].map(TRUTH)
    rows["covered"] = ((rows["conf_low"] <= truth) & (truth <= rows["conf_high"])).astype(float)
    table = rows.groupby("term", sort=False).agg(covered=("covered", "mean"), median_df=("df", "median")).reset_index()
    error = np.sqrt(table["covered"] * (1 - table["covered"]) / n_datasets)
    fixed = {"therapist_icc": therapist_icc, "df_method": df, "n_datasets": n_datasets, "n_singular": singular}
    return table.assign(mc_error=error, **fixed)[COLUMNS]
