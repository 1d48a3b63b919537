"""A small simulated clinic whose answers the tests of `alliance new` write into files of many kinds."""

import numpy as np
import pandas as pd


def answers(rng, level, number, low, high, reverse=()):
    """Return answers to the items of one questionnaire; `level` is one value per row, about from -1 to 1."""
    middle, half = (low + high) / 2, (high - low) / 2
    noise = rng.normal(0, 0.45, (len(level), number))
    sign = np.array([-1 if item + 1 in reverse else 1 for item in range(number)])
    values = middle + sign * half * np.clip(0.55 * level[:, None] + noise, -1, 1)
    return np.rint(values).astype(int)


def clinic(seed=1, clients=40, therapists=8, sessions=(4, 12)):
    """Return one row per session with the keys of a small clinic and latent levels of alliance and symptoms."""
    rng = np.random.default_rng(seed)
    rows = []
    for client in range(clients):
        own, ill = rng.normal(0.4, 0.5), rng.normal(0, 0.6)
        start = pd.Timestamp("2023-01-09") + pd.Timedelta(days=int(rng.integers(0, 300)))
        for session in range(1, int(rng.integers(sessions[0], sessions[1] + 1)) + 1):
            rows.append(
                {
                    "client": 101 + client,
                    "therapist": f"T{client % therapists + 1:02d}",
                    "session": session,
                    "date": start + pd.Timedelta(days=7 * session),
                    "alliance": own + rng.normal(0, 0.4),
                    "alliance_t": own + rng.normal(0, 0.5),
                    "symptoms": ill - 0.05 * session + rng.normal(0, 0.3),
                }
            )
    return pd.DataFrame(rows)


def battery(frame, level, pattern, number, low, high, seed=2, reverse=()):
    """Return the answers to a battery, one column per item, named by a pattern such as ``wai_{}``."""
    values = answers(np.random.default_rng(seed), frame[level].to_numpy(), number, low, high, reverse)
    return pd.DataFrame(values, columns=[pattern.format(item) for item in range(1, number + 1)], index=frame.index)


def wide(frame, values, client="client", session="session", name="{column}_s{session}"):
    """Return one row per client, each column repeated per session."""
    long = frame[[client, session]].join(values)
    found = long.pivot(index=client, columns=session)
    found.columns = [name.format(column=column, session=number) for column, number in found.columns]
    return found.reset_index()
