"""Studies rated by two raters, drawn from a known model, and the golden cases under the package's own column names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

GOLDEN = Path(__file__).parents[1] / "golden"
CLIENT, THERAPIST = "alliance_client", "alliance_therapist"


def golden(case):
    """R's results and its data, with `client` for `dyad`; the therapist stays."""
    stored = json.loads((GOLDEN / case / "reference.json").read_text("utf-8"))
    return stored, pd.read_csv(GOLDEN / case / "data.csv").rename(columns={"dyad": "client"})


def rated(n_clients=40, n_sessions=6, n_therapists=12, seed=1, *, bias=-0.2, together=0.5):
    """Two ratings per session: client levels that go together by .6, deviations that go together by `together`."""
    rng = np.random.default_rng(seed)
    client, session = (part.ravel() for part in np.indices((n_clients, n_sessions)))
    level = 0.5 * rng.standard_normal((n_clients, 2))
    level[:, 1] = 0.6 * level[:, 0] + 0.8 * level[:, 1]
    noise = rng.standard_normal((len(client), 2))
    noise[:, 1] = together * noise[:, 0] + np.sqrt(1 - together**2) * noise[:, 1]
    ratings = 3.5 + level[client] + 0.4 * noise + [0.0, bias]
    frame = pd.DataFrame({"client": [f"c{i:02d}" for i in client], "session": session + 1})
    frame["therapist"] = [f"t{i % n_therapists:02d}" for i in client]
    frame = frame.assign(**{CLIENT: ratings[:, 0], THERAPIST: ratings[:, 1]})
    return frame.assign(symptoms=20 - frame["session"] - 2 * frame[CLIENT] + rng.standard_normal(len(frame)))


def shuffled(frame, seed=3):
    return frame.sample(frac=1, random_state=seed)


def renamed(frame):
    """The same study under other ids, in an order of their own."""
    clients = {name: f"x{hash_of(name)}" for name in frame["client"].unique()}
    therapists = {name: f"y{hash_of(name)}" for name in frame["therapist"].unique()}
    return frame.assign(client=frame["client"].map(clients), therapist=frame["therapist"].map(therapists))


def hash_of(name):
    return (int(name[1:]) * 37 + 11) % 101


def ceiling(frame):
    """Ratings at 5 but for a few."""
    place = np.arange(len(frame))
    columns = {CLIENT: np.where(place % 37 == 0, 4.0, 5.0), THERAPIST: np.where(place % 41 == 0, 4.0, 5.0)}
    return frame.assign(**columns)
