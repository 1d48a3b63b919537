"""Simulated sessions for the engine's own tests: clients in therapists, some of them missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


def simulate(
    therapists: int, clients: int, sessions: int, *, seed: int = 1, sd: tuple[float, float, float] = (3.0, 2.0, 0.3)
) -> pd.DataFrame:
    """y = 10 - 0.5 time + 0.4 x + therapist + (1 + time | client) + noise of variance 1; 15 % of the rows missing.

    `sd` holds the standard deviations of the therapists, of the clients' intercepts and of their slopes.
    """
    rng = np.random.default_rng(seed)
    n = therapists * clients * sessions
    client = np.repeat(np.arange(therapists * clients), sessions)
    therapist = client // clients
    time = np.tile(np.arange(float(sessions)), therapists * clients)
    x = rng.standard_normal(n)
    effects = rng.standard_normal((therapists * clients, 2)) * sd[1:]
    y = 10 - 0.5 * time + 0.4 * x + sd[0] * rng.standard_normal(therapists)[therapist]
    y = y + effects[client, 0] + effects[client, 1] * time + rng.standard_normal(n)
    frame = pd.DataFrame({"therapist": therapist, "client": client, "time": time, "x": x, "y": y})
    return frame[rng.random(n) > 0.15].reset_index(drop=True)


@pytest.fixture(scope="session")
def simulate_sessions() -> Callable[..., pd.DataFrame]:
    return simulate


@pytest.fixture(scope="session")
def sessions() -> pd.DataFrame:
    return simulate(8, 6, 9)


@pytest.fixture(scope="session")
def arms() -> pd.DataFrame:
    """Nine therapists, 45 clients, three arms; slopes at both levels, a crossed factor `item`; unbalanced."""
    frame = simulate(9, 5, 7, seed=3, sd=(2.0, 2.0, 0.4))
    rng = np.random.default_rng(5)
    frame["arm"] = np.array(list("abc"))[frame["client"] % 3]
    frame["item"] = rng.integers(0, 6, len(frame))
    slope, item = rng.standard_normal(9), rng.standard_normal(6)
    frame["y"] += slope[frame["therapist"]] * 0.3 * frame["time"] + item[frame["item"]]
    frame["y"] += rng.standard_normal(45)[frame["client"]] * 0.5 * frame["x"]
    return frame
