"""Simulated panels for the tests of the panel VAR: symptoms before and alliance after each session."""

import numpy as np
import pandas as pd

from alliance_analysis.study.simulate import SeriesParameters, simulate_series

TRENDS = SeriesParameters(
    trend_symptoms=-0.85, trend_alliance=0.25, trend_sd_symptoms=0.45, trend_sd_alliance=0.35, stable_sd_symptoms=1.5
)
COLUMNS = ["alliance_client", "symptoms"]


def simulate_panel_frame(parameters=TRENDS, n_clients=60, n_sessions=8, seed=1, missing=0.2):
    """Return sessions with gaps and missing ratings of either series."""
    rng = np.random.default_rng(seed)
    symptoms, alliance = simulate_series(parameters, n_clients, n_sessions, rng)
    client, session = (index.ravel() for index in np.indices(symptoms.shape))
    frame = pd.DataFrame(
        {"client": client, "session": session + 1, "symptoms": symptoms.ravel(), "alliance_client": alliance.ravel()}
    )
    for name in COLUMNS:
        frame.loc[rng.random(len(frame)) < missing / 2, name] = np.nan
    return frame[rng.random(len(frame)) >= missing / 2].reset_index(drop=True)
