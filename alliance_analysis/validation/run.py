"""Runs every golden case, and the simulations whose tables the validation page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from alliance_analysis.validation.calibration import SCENES, simulate_calibration
from alliance_analysis.validation.cases import CASES
from alliance_analysis.validation.compare import compare_case
from alliance_analysis.validation.coverage import simulate_coverage
from alliance_analysis.validation.recovery import recover_panel_var

THERAPIST_ICCS = (0.15, 0.04)
N_DATASETS = 1000
N_RUNS = 136  # per cell of the recovery
_FOLDER = Path("docs", "simulations")
_COVERAGE = (
    "Coverage of 95 % intervals with few therapists",
    "coverage.csv",
    "Three-level studies of 10 therapists with 3 to 9 clients each and up to 8 sessions per client, drawn from a known "
    "truth and refitted by REML with Kenward–Roger intervals. All data sets count, those with a singular fit too. "
    "`covered` is the share of intervals that hold the truth; 0.95 is right.",
)
_RECOVERY = (
    "Recovery of the prospective model",
    "panel_recovery.csv",
    "Studies of 150 clients drawn with alliance after and symptoms before each session, stable client parts that "
    "correlate, with and without log-shaped trends and random slopes, and refitted by the panel VAR. `true_slope` is "
    "in standard deviations of the deviations. `wald_share` and `likelihood_ratio_share` are the shares of studies in "
    "which each test rejects a slope of zero at 5 %: at a true slope of zero false positives, 0.05 is right "
    "(`share_error`: Monte Carlo error). Cells of one length share their random numbers.",
)
_CALIBRATION = (
    "Coverage under residual structures",
    "residual_coverage.csv",
    "No other program has degrees of freedom under a residual structure to compare with, so Satterthwaite's are "
    "calibrated: small studies (20 clients with 8 sessions; for the unstructured covariance 40 persons with 4 visits, "
    "no random terms), a tenth of the rows missing, drawn with a known truth and refitted by REML. 0.95 is right.",
)
_SIMULATIONS = (_COVERAGE, _CALIBRATION, _RECOVERY)


def validate_golden(root: Path, *, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Refit every golden case and hold each number against R's.

    Parameters
    ----------
    root : Path
        A checkout.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    DataFrame
        The rows of `compare_case`, all cases.
    """
    tables = []
    for done, case in enumerate(CASES, start=1):
        tables.append(compare_case(root / "tests" / "golden", case))
        if progress is not None:
            progress(done, len(CASES))
    return pd.concat(tables, ignore_index=True)


def simulate_validation(root: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Run the simulations again and store their tables under docs/simulations.

    Parameters
    ----------
    root : Path
        A checkout.
    progress : callable, optional
        Called with (done, all).
    """
    folder = root / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    coverage = [simulate_coverage(icc, n_datasets=N_DATASETS, progress=progress) for icc in THERAPIST_ICCS]
    pd.concat(coverage, ignore_index=True).to_csv(folder / _COVERAGE[1], index=False, lineterminator="\n")
    calibration = [simulate_calibration(scene, n_datasets=N_DATASETS, progress=progress) for scene in SCENES]
    pd.concat(calibration, ignore_index=True).to_csv(folder / _CALIBRATION[1], index=False, lineterminator="\n")
    recovery = recover_panel_var(N_RUNS, progress=progress)
    recovery.to_csv(folder / _RECOVERY[1], index=False, lineterminator="\n")


def load_simulations(root: Path) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return what each stored simulation was, and its table: heading -> (paragraph, table).

    Parameters
    ----------
    root : Path
        A checkout.
    """
    stored = {heading: (paragraph, root / _FOLDER / name) for heading, name, paragraph in _SIMULATIONS}
    return {heading: (paragraph, pd.read_csv(path)) for heading, (paragraph, path) in stored.items() if path.is_file()}
