"""Times of the mixed models against other programs, as ratios measured in one run on one machine.

    python benchmarks/mixed_models.py                     # sizes S and M
    python benchmarks/mixed_models.py --sizes L XL        # minutes

The model is y ~ time + wa + ba + (1 | therapist) + (time | client), REML: three levels, correlated random slopes, 3 to
30 sessions per client. Ours is timed from the frame to tidy() with Satterthwaite df; lme4 and mixedlm are their bare
fits; OLS is numpy's lstsq on the same X. Rivals that are not installed are named and left out: mixedlm comes from the
package index (into an environment of its own), lme4 and nlme need Rscript.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import alliance_analysis as aa

FORMULA = "y ~ time + wa + ba + (1 | therapist) + (time | client)"
SIZES = {"S": (50, 10, 1), "M": (1_000, 100, 2), "L": (20_000, 1_000, 3), "XL": (200_000, 5_000, 4)}
LME4_LIMIT = 300_000  # rows; beyond it lme4 takes more than five minutes
R_SCRIPT = """
suppressMessages({{library(lme4); library(nlme)}})
d <- read.csv("{csv}"); d$client <- factor(d$client); d$therapist <- factor(d$therapist)
seconds <- function(name, f) {{ t <- system.time(v <- try(f(), silent = TRUE))[["elapsed"]]
  if (!inherits(v, "try-error")) cat(name, t, "\\n"); invisible(v) }}
m <- seconds("lme4", function() lmer({formula}, d))
if ({more}) {{
  y <- simulate(m, {refits}, seed = 1)
  seconds("refits", function() for (i in 1:{refits}) refit(m, y[[i]]))
  seconds("profile", function() confint(m, parm = "beta_", quiet = TRUE))
  seconds("nlme", function() lme(y ~ time + wa + ba, random = ~ time | client, data = d,
    correlation = corCAR1(form = ~ sess | client)))
}}
"""
R_REFITS = 5
R_NAMES = ("lme4", "refits", "profile", "nlme")


def simulate(n_clients: int, n_therapists: int, seed: int) -> pd.DataFrame:
    """Simulate therapist > client > session; the columns of FORMULA and the session's number `sess`.

    A within-client lagged alliance `wa`, the clients' centred means `ba`, a therapist effect, correlated intercepts and
    slopes of clients, and random slopes of `wa` that the model leaves out.
    """
    rng = np.random.default_rng(seed)
    n_sessions = np.clip(3 + rng.negative_binomial(1.5, 1.5 / (1.5 + 7.6), n_clients), 3, 30)
    extra = rng.choice(n_therapists, n_clients - n_therapists, p=rng.dirichlet(np.full(n_therapists, 3.0)))
    therapist_of = np.sort(np.concatenate([np.arange(n_therapists), extra]))
    client = np.repeat(np.arange(n_clients), n_sessions)
    first = np.concatenate([[0], np.cumsum(n_sessions)[:-1]])
    sess = np.arange(n_sessions.sum()) - first[client]
    level = 4.5 + rng.normal(0, 0.4, n_therapists)[therapist_of] + rng.normal(0, 0.6, n_clients)
    deviation = np.empty((n_clients, 31))
    deviation[:, 0] = rng.normal(0, 0.5, n_clients)
    for s in range(1, 31):
        deviation[:, s] = 0.4 * deviation[:, s - 1] + rng.normal(0, 0.46, n_clients)
    alliance = level[client] + deviation[client, sess]
    mean = np.bincount(client, alliance) / n_sessions
    wa, ba, at = alliance - mean[client], (mean - mean.mean())[client], sess / 10.0
    effect = np.linalg.cholesky(np.array([[16.0, -1.5], [-1.5, 2.25]])) @ rng.normal(size=(2, n_clients))
    slope = rng.normal(0, 0.6, n_clients)
    y = 20 + rng.normal(0, 2.0, n_therapists)[therapist_of[client]] + effect[0][client] + (-3 + effect[1][client]) * at
    y += (-0.8 + slope[client]) * wa - 1.5 * ba + rng.normal(0, 4, len(client))
    columns = {
        "y": y,
        "time": at,
        "wa": wa,
        "ba": ba,
        "client": client,
        "therapist": therapist_of[client],
        "sess": sess,
    }
    return pd.DataFrame(columns)


def best_of(action: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest wall time of a few repeats, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def row(what: str, ours: float, other: str, theirs: float, target: str) -> None:
    """Print one line: our time, theirs, how many times faster we are, and the target."""
    if np.isnan(theirs):
        print(f"  {what:<34}{ours:10.4f} s   {other:<18}  not measured")
        return
    factor = theirs / ours
    ratio = f"{factor:8.1f} x faster" if factor >= 1 else f"{1 / factor:8.1f} x its time"
    print(f"  {what:<34}{ours:10.4f} s   {other:<18}{theirs:10.4f} s {ratio}   {target}")


def time_r(frame: pd.DataFrame, *, more: bool) -> dict[str, float]:
    """Time lme4 and nlme on the frame; nothing when Rscript or its packages are missing."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder, "sessions.csv")
        frame.to_csv(csv, index=False)
        script = R_SCRIPT.format(csv=csv, formula=FORMULA, more="TRUE" if more else "FALSE", refits=R_REFITS)
        answer = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
    pairs = [line.split() for line in answer.stdout.splitlines()]
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] in R_NAMES}


def time_mixedlm(frame: pd.DataFrame) -> float | None:
    """Time mixedlm's fit; None when it is not installed."""
    try:
        lmer = importlib.import_module("mixedlm").lmer
    except ImportError:
        return None
    groups = frame.astype({"client": str, "therapist": str})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own about singular fits
        return best_of(lambda: lmer(FORMULA, groups), 1 if len(frame) > LME4_LIMIT else 2)


def peak_memory(size: str) -> float:
    """Fit in a process of its own that reads its data from a file: peak memory in MB, imports included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sessions.parquet")
        simulate(*SIZES[size]).to_parquet(path)
        answer = subprocess.run(
            [sys.executable, __file__, "--fit", str(path)], capture_output=True, text=True, check=True
        )
    return float(answer.stdout)


def fit_file(path: str) -> None:
    """Fit the model to a file and print the peak memory of this process in MB."""
    aa.fit_mixed(FORMULA, pd.read_parquet(path)).tidy()
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of a child starts from its parent's
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        print(float(peak.split()[1]) / 1024)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compare_size(size: str) -> float:
    """Print the rows of one size; returns the time of our fit."""
    frame = simulate(*SIZES[size])
    n, clients, therapists = len(frame), frame["client"].nunique(), frame["therapist"].nunique()
    print(f"\n{size}: {n} sessions, {clients} clients, {therapists} therapists")
    X = np.column_stack([np.ones(n), frame["time"], frame["wa"], frame["ba"]])
    y = frame["y"].to_numpy()
    fit = aa.fit_mixed(FORMULA, frame)
    ours = best_of(lambda: aa.fit_mixed(FORMULA, frame).tidy())
    row(
        "fit, frame to tidy()",
        ours,
        "OLS lstsq",
        best_of(lambda: np.linalg.lstsq(X, y, rcond=None)),
        "XL: <= 4 x its time",
    )
    rival = time_mixedlm(frame)
    if rival is None:
        print("  mixedlm is not installed: left out")
    else:
        row("fit, frame to tidy()", ours, "mixedlm, bare fit", rival, "L: >= 15 x")
    r = time_r(frame, more=size in ("S", "M")) if n <= LME4_LIMIT else {}
    if not r:
        print("  lme4 and nlme are left out (no Rscript or packages, or more rows than they take in minutes)")
    if "lme4" in r:
        row("fit, frame to tidy()", ours, "lme4, bare fit", r["lme4"], "L: >= 100 x")
    if size in ("S", "M"):
        compare_inference(frame, fit, r)
    found = fit.solution
    print(f"  evaluations {found.evaluations}, gradient {found.gradient_norm:.0e}, log-likelihood {fit.log_lik:.6f}")
    print(f"  peak memory of a process that only fits: {peak_memory(size):.0f} MB   XL: <= 750 MB")
    return ours


def compare_inference(frame: pd.DataFrame, fit: object, r: dict[str, float]) -> None:
    """Print the rows of bootstrap, profile and serial correlation; `r` has R's times for what it could do."""
    if hasattr(fit, "bootstrap"):
        each = best_of(lambda: fit.bootstrap(100, seed=1), 1) / 100
        row("one bootstrap refit", each, "lme4 refit", r.get("refits", np.nan) / R_REFITS, "M: >= 100 x")
    if hasattr(fit, "profile"):
        terms = list(fit.tidy()["term"])
        row(
            "profile, fixed effects",
            best_of(lambda: fit.profile(terms), 1),
            "lme4",
            r.get("profile", np.nan),
            "M: >= 200 x",
        )
    structure = aa.AR1(time="sess", by="client")
    formula = "y ~ time + wa + ba + (time | client)"
    ours = best_of(lambda: aa.fit_mixed(formula, frame, residual=structure).tidy())
    row("CAR(1) + random slopes", ours, "nlme", r.get("nlme", np.nan), "M: >= 60 x")


def main() -> None:
    """Run the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["S", "M"])
    parser.add_argument("--fit", metavar="FILE", help="fit one file and print the peak memory (used by the run itself)")
    options = parser.parse_args()
    warnings.simplefilter("ignore", aa.FitWarning)
    if options.fit:
        fit_file(options.fit)
        return
    times = {size: compare_size(size) for size in options.sizes}
    if {"L", "XL"} <= set(times):
        print(f"\nGrowth from L to XL (10 x the rows): {times['XL'] / times['L']:.1f} x the time   <= 10 x")


if __name__ == "__main__":
    main()
