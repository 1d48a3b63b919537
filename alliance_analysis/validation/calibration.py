"""How often 95 % intervals hold the truth under residual structures, where no other program has df to compare with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Structure, Unstructured

COLUMNS = ["structure", "clients", "term", "n_datasets", "n_singular", "covered", "mc_error", "median_df"]
N_CLIENTS, N_SESSIONS = 20, 8
_MISSING = 0.1  # share of rows that are not there


@dataclass(frozen=True)
class Scene:
    """A small study whose residuals go together in a known way.

    Attributes
    ----------
    name : str
    formula : str
    truth : dict
        Term -> true coefficient; every other term's is 0.
    residual : Structure or sequence of Structure
    draw : callable
        Generator -> frame.
    """

    name: str
    formula: str
    truth: dict[str, float]
    residual: Structure | Sequence[Structure]
    draw: Callable[[np.random.Generator], pd.DataFrame]


def _sessions(rng: np.random.Generator) -> pd.DataFrame:
    """Clients by sessions with a session-level and a client-level predictor and a random intercept in y."""
    client, session = (part.ravel() for part in np.indices((N_CLIENTS, N_SESSIONS)))
    frame = pd.DataFrame({"client": client, "session": session, "time": session / (N_SESSIONS - 1)})
    frame["within"] = rng.standard_normal(len(frame))
    frame["between"] = rng.standard_normal(N_CLIENTS)[client]
    level = 0.8 * rng.standard_normal(N_CLIENTS)[client]
    return frame.assign(y=10 - frame["time"] - 0.5 * frame["within"] + level)


def _serial(rng: np.random.Generator, rho: float, count: int) -> np.ndarray:
    """AR(1) deviations of variance 1, `count` series (count, N_SESSIONS)."""
    noise = rng.standard_normal((count, N_SESSIONS))
    for t in range(1, N_SESSIONS):
        noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return noise


def _thinned(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame[rng.random(len(frame)) > _MISSING].reset_index(drop=True)


def _draw_serial(rng: np.random.Generator) -> pd.DataFrame:
    frame = _sessions(rng)
    return _thinned(frame.assign(y=frame["y"] + _serial(rng, 0.5, N_CLIENTS).ravel()), rng)


def _draw_unequal(rng: np.random.Generator) -> pd.DataFrame:
    frame = _sessions(rng)
    arm = np.where(frame["client"] % 2, "b", "a")
    spread = np.where(arm == "a", 1.0, 2.0)
    return _thinned(frame.assign(arm=arm, y=frame["y"] + spread * rng.standard_normal(len(frame))), rng)


def _draw_raters(rng: np.random.Generator) -> pd.DataFrame:
    """Two raters per session: SDs 1 and 1.5, correlation .5; their usual levels differ between clients."""
    frame = _sessions(rng)
    factor = np.linalg.cholesky(np.array([[1.0, 0.75], [0.75, 2.25]]))
    together = rng.standard_normal((len(frame), 2)) @ factor.T
    halves = [
        frame.assign(rater=rater, **{own: 1.0, other: 0.0}, y=frame["y"] + together[:, k])
        for k, (rater, own, other) in enumerate((("client", "c", "t"), ("therapist", "t", "c")))
    ]
    return _thinned(pd.concat(halves, ignore_index=True), rng)


def _draw_visits(rng: np.random.Generator) -> pd.DataFrame:
    """Twice as many persons in two arms at four visits, unequal variances and a falling correlation."""
    person, visit = (part.ravel() for part in np.indices((2 * N_CLIENTS, 4)))
    deviations = np.array([1.0, 1.2, 1.5, 1.8])
    correlation = 0.7 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    factor = np.linalg.cholesky(correlation * np.outer(deviations, deviations))
    noise = (rng.standard_normal((2 * N_CLIENTS, 4)) @ factor.T).ravel()
    arm = (person % 2).astype(float)
    frame = pd.DataFrame({"client": person, "visit": visit, "occasion": visit.astype(str), "arm": arm})
    return _thinned(frame.assign(y=10.0 - visit + noise), rng)


_TRUTH = {"(Intercept)": 10.0, "time": -1.0, "within": -0.5}
_BODY = "time + within + between"
SCENES = (
    Scene("AR1", f"y ~ {_BODY} + (1 | client)", _TRUTH, AR1(time="session", by="client"), _draw_serial),
    Scene("ByGroup", f"y ~ {_BODY} + (1 | client)", _TRUTH, ByGroup("arm"), _draw_unequal),
    Scene(
        "SameSession",
        f"y ~ 0 + c + t + {_BODY} + (1 | client)",
        {"c": 10.0, "t": 10.0, "time": -1.0, "within": -0.5},
        SameSession(rater="rater", by=["client", "session"]),
        _draw_raters,
    ),
    Scene(
        "Unstructured",
        "y ~ occasion * arm",
        {"(Intercept)": 10.0, "occasion[1]": -1.0, "occasion[2]": -2.0, "occasion[3]": -3.0},
        Unstructured(visit="visit", by="client"),
        _draw_visits,
    ),
)


def simulate_calibration(
    scene: Scene, *, n_datasets: int = 1000, seed: int = 1, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Simulate small studies with one residual structure, refit the model that made them, count what intervals hold.

    Parameters
    ----------
    scene : Scene
    n_datasets : int
        All of them count, those with a singular fit too.
    seed : int
        Data set i draws from ``SeedSequence([seed, i])``.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    DataFrame
        `structure clients term n_datasets n_singular covered mc_error median_df`, one row per term; Satterthwaite df.

    Examples
    --------
    >>> simulate_calibration(SCENES[0], n_datasets=2)["term"].tolist()
    ['(Intercept)', 'time', 'within', 'between']
    """
    tables, singular, clients = [], 0, 0
    for i in range(n_datasets):
        data = scene.draw(np.random.default_rng(np.random.SeedSequence([seed, i])))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # a variance at zero counts as well
            fit = fit_mixed(scene.formula, data, residual=scene.residual)
        singular, clients = singular + fit.singular, data["client"].nunique()
        tables.append(fit.tidy()[["term", "df", "conf_low", "conf_high"]])
        if progress is not None:
            progress(i + 1, n_datasets)
    rows = pd.concat(tables, ignore_index=True)
    truth = rows["term"].map(scene.truth).fillna(0.0)
    rows["covered"] = ((rows["conf_low"] <= truth) & (truth <= rows["conf_high"])).astype(float)
    table = rows.groupby("term", sort=False).agg(covered=("covered", "mean"), median_df=("df", "median")).reset_index()
    error = np.sqrt(table["covered"] * (1 - table["covered"]) / n_datasets)
    fixed = {"structure": scene.name, "clients": clients, "n_datasets": n_datasets, "n_singular": singular}
    return table.assign(mc_error=error, **fixed)[COLUMNS]
