"""Does the panel VAR find the truth: bias and false positives at 5, 8 and 15 sessions, with and without feedback.

150 clients, autoregressions .40, a prospective slope of 0 or -.20, the alliance following the same session's symptoms
with a slope of 0 or -.20, correlated stable levels; log-shaped trends that differ between clients, or none. The model
"log" (the default: log(session), slopes that vary between clients) is fitted to all of them, "none" only where there
are no trends.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass
from itertools import product

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning
from alliance_analysis.panel.course import TimeShape
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.study.simulate import SeriesParameters, simulate_series

N_CLIENTS = 150
TERM = "alliance_client -> symptoms"


@dataclass(frozen=True)
class Cell:
    """One truth, one length of therapy, one model."""

    feedback: float
    n_sessions: int
    trends: bool
    time_shape: TimeShape
    true_slope: float

    @property
    def truth(self) -> SeriesParameters:
        """The generator's parameters."""
        trends = {"trend_symptoms": -0.85, "trend_alliance": 0.25, "trend_sd_symptoms": 0.45, "trend_sd_alliance": 0.15}
        return SeriesParameters(prospective=self.true_slope, feedback=self.feedback, **(trends if self.trends else {}))


_MODELS: tuple[tuple[bool, TimeShape], ...] = ((True, "log"), (False, "log"), (False, "none"))  # trends, time shape
CELLS = tuple(
    Cell(feedback, n_sessions, trends, time_shape, slope)
    for feedback, n_sessions, (trends, time_shape), slope in product((0.0, -0.2), (5, 8, 15), _MODELS, (0.0, -0.2))
)


def run_once(cell: Cell, seed: int) -> dict[str, object]:
    """Simulate one study and fit it: the slope (in SDs of the deviations, as the truth), and two tests of it."""
    # cells of one length share their random numbers: they differ by truth and model, not by luck
    rng = np.random.default_rng(np.random.SeedSequence([seed, cell.n_sessions]))
    symptoms, alliance = simulate_series(cell.truth, N_CLIENTS, cell.n_sessions, rng)
    client, session = (index.ravel() for index in np.indices(symptoms.shape))
    scores = {"symptoms": symptoms.ravel(), "alliance_client": alliance.ravel()}
    frame = pd.DataFrame({"client": client, "session": session + 1, **scores})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # variances at zero are part of what happens here
        fit = fit_panel_var(frame, ["alliance_client", "symptoms"], time_shape=cell.time_shape)
    row = fit.tidy().set_index("term").loc[TERM]
    covered = row["conf_low"] <= cell.true_slope <= row["conf_high"]
    return {
        "estimate": row["estimate"],
        "std_error": row["std_error"],
        "wald": row["p_value"] < 0.05,
        "likelihood_ratio": fit.test(TERM)["p_value"].iloc[0] < 0.05,
        "covered": covered,
        "usable": fit.converged and not fit.withheld,
    }


def recover_panel_var(
    n_runs: int,
    seed: int = 1,
    cells: tuple[Cell, ...] = CELLS,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate and fit `n_runs` studies per cell; one study takes about a third of a second.

    Parameters
    ----------
    n_runs : int
    seed : int
        Run i draws from ``SeedSequence([seed + i, sessions])``.
    cells : tuple of Cell
    progress : callable, optional
        Called with (done, all) after each cell.

    Returns
    -------
    DataFrame
        One row per cell: `feedback n_sessions trends time_shape true_slope mean_estimate bias mc_error
        mean_std_error sd_estimate wald_share likelihood_ratio_share share_error covered_share n_runs n_failed`; shares
        are of rejected hypotheses of no slope at 5 %, false positives where `true_slope` is 0; `share_error` is the
        Monte Carlo error of a right share of .05.
    """
    rows = []
    for done, cell in enumerate(cells, start=1):
        rows.append(_summarise(cell, [run_once(cell, seed + i) for i in range(n_runs)]))
        if progress is not None:
            progress(done, len(cells))
    return pd.DataFrame(rows)


def _summarise(cell: Cell, runs: list[dict[str, object]]) -> dict[str, object]:
    """Return one row of the table, from the runs that may be reported."""
    table = pd.DataFrame(runs)
    used = table[table["usable"]]
    n, estimate = len(used), used["estimate"]
    row = dict(zip(Cell.__dataclass_fields__, astuple(cell), strict=True))
    return row | {
        "mean_estimate": estimate.mean(),
        "bias": estimate.mean() - cell.true_slope,
        "mc_error": estimate.std() / np.sqrt(n),
        "mean_std_error": used["std_error"].mean(),
        "sd_estimate": estimate.std(),
        "wald_share": used["wald"].mean(),
        "likelihood_ratio_share": used["likelihood_ratio"].mean(),
        "share_error": np.sqrt(0.05 * 0.95 / n),
        "covered_share": used["covered"].mean(),
        "n_runs": len(table),
        "n_failed": len(table) - n,
    }
