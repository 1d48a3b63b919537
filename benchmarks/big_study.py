"""Memory and time of a study of five million sessions: load, check, prepare, against pandas reading the same file.

    python benchmarks/big_study.py                        # 5 million sessions, csv and parquet
    python benchmarks/big_study.py --sessions 200000

Each measurement is a process of its own; memory is the most it ever held (VmHWM, Linux). The preparation is what the
notebooks do first: levels within and between clients, and the values of the session before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

PIECE = 500_000
LIMIT_MB = 1_100
MEASURES = {
    "alliance_client": {"instrument": "WAI-SR", "score": "mean", "collected": "after"},
    "alliance_therapist": {"instrument": "WAI-SR", "score": "mean", "collected": "after"},
    "symptoms": {"instrument": "CORE-10", "score": "sum", "collected": "before"},
}
LOAD = """
import json, sys, time
start = time.perf_counter()
import alliance_analysis as aa
study = aa.load_study(sys.argv[1])
loaded = time.perf_counter() - start
frame = aa.add_within_between(study.sessions, "alliance_client")
frame = aa.add_lag(frame, ["symptoms"])
seconds = time.perf_counter() - start
rows, clients = len(frame), frame["client"].nunique()
"""
READ = """
import json, sys, time
start = time.perf_counter()
import pandas as pd
path = sys.argv[1]
frame = pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
loaded = seconds = time.perf_counter() - start
rows, clients = len(frame), frame["client"].nunique()
"""
TELL = """
memory = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(json.dumps({"loaded": loaded, "seconds": seconds, "memory": memory, "rows": rows, "clients": clients}))
"""


def simulate(sessions: int, seed: int = 1) -> pd.DataFrame:
    """Return sessions of clients with 3 to 30 sessions each, one therapist per client."""
    rng = np.random.default_rng(seed)
    clients = sessions // 12
    numbers = np.clip(rng.poisson(12, clients), 3, 30)
    client = np.repeat(np.arange(clients, dtype=np.int32), numbers)
    first = np.concatenate([[0], np.cumsum(numbers)[:-1]])
    session = (np.arange(len(client)) - first[client] + 1).astype(np.int16)
    start = rng.integers(0, 2000, clients)
    level, illness = rng.normal(3.8, 0.5, clients), rng.normal(18, 6, clients)
    days = start[client] + 7 * session
    return pd.DataFrame(
        {
            "client": client,
            "therapist": (client % max(clients // 40, 1)).astype(np.int32),
            "session": session,
            "date": np.datetime64("2015-01-01") + days.astype("timedelta64[D]"),
            "alliance_client": np.clip(level[client] + rng.normal(0, 0.4, len(client)), 1, 5).round(2),
            "alliance_therapist": np.clip(level[client] + rng.normal(0, 0.5, len(client)), 1, 5).round(2),
            "symptoms": np.clip(illness[client] - 0.4 * session + rng.normal(0, 3, len(client)), 0, 40).round(),
        }
    )


def write(frame: pd.DataFrame, folder: Path) -> None:
    """Write the sessions as csv and parquet with a study file for each."""
    frame["client"] = pd.Categorical.from_codes(
        frame["client"], [f"c{n:06d}" for n in range(frame["client"].max() + 1)]
    )
    frame["therapist"] = pd.Categorical.from_codes(
        frame["therapist"], [f"t{n:05d}" for n in range(frame["therapist"].max() + 1)]
    )
    frame["date"] = pd.Categorical(frame["date"].dt.strftime("%Y-%m-%d"))
    for at in range(0, len(frame), PIECE):
        frame.iloc[at : at + PIECE].to_csv(folder / "s.csv", index=False, mode="a", header=at == 0)
    frame.to_parquet(folder / "s.parquet", index=False)
    for kind in ("csv", "parquet"):
        text = json.dumps({"data": f"s.{kind}", "measures": MEASURES})
        (folder / f"{kind}.yml").write_text(text, encoding="utf-8")


def measure(program: str, path: Path) -> dict[str, float]:
    """Run a program in a process of its own and return what it measured."""
    run = subprocess.run(
        [sys.executable, "-c", program + TELL, str(path)], stdout=subprocess.PIPE, text=True, check=True, cwd=Path.cwd()
    )
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print one line per file; the exit code is 1 when more memory was needed than the limit."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--sessions", type=int, default=5_000_000)
    arguments.add_argument("--limit", type=int, default=LIMIT_MB, help="megabytes")
    stated = arguments.parse_args()
    sessions, limit = stated.sessions, stated.limit
    too_much = False
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write(simulate(sessions), Path(folder))
        sys.stderr.write(f"simulated in {time.perf_counter() - start:.0f} s\n")
        for kind in ("csv", "parquet"):
            file = Path(folder, f"s.{kind}")
            ours, bare = measure(LOAD, Path(folder, f"{kind}.yml")), measure(READ, file)
            too_much |= ours["memory"] > limit
            sys.stdout.write(
                f"{kind:8} {ours['rows']:,.0f} sessions, {file.stat().st_size / 1e6:,.0f} MB: load and check "
                f"{ours['loaded']:.1f} s, with preparation {ours['seconds']:.1f} s "
                f"({ours['seconds'] / bare['seconds']:.1f} times pandas reading it), at most {ours['memory']:,.0f} MB "
                f"(pandas {bare['memory']:,.0f} MB; limit {limit:,} MB)\n"
            )
    sys.exit(int(too_much))


if __name__ == "__main__":
    main()
