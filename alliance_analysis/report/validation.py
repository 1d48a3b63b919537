"""Writes docs/validation.md: every number of the golden cases beside R's, and what simulations said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

HEAD = """\
# Validation

Written by `alliance validate` in a checkout; nothing in it is typed. Each golden case (`tests/golden/`) holds data, the
R script that was run on it, and R's results. Tolerances are those of `tests/golden/TOLERANCES.md`: a log-likelihood may
not be lower than R's by more than 1e-6 (a higher one passes: R stopped early); coefficients within 1e-4 standard errors
of lme4's and 1e-3 of nlme's, standard errors within the same share of themselves; variances within 1e-3; Satterthwaite
df within 1e-3, Kenward–Roger df within 1e-2. Closed forms (intraclass correlations, concordance, limits of agreement,
kappa, surfaces of least squares) agree within 1e-8 of the number; lavaan's two-level model within 1e-4 in the
log-likelihood and 1e-3 standard errors. The difference is ours minus R's; the share is its size over the largest one
allowed.
"""
WRONG_HEAD = "## Where R is wrong\n"
WRONG = """\
A number of R's stands here instead of among those that agree only where the known mistake, put into the formula on
purpose, gives R's number within the same tolerance. They are not counted as agreeing above.
"""
_AGREED = ("agrees", "refused, as it must be", "ours is higher: R stopped early")


def write_validation(path: Path, golden: pd.DataFrame, simulations: Mapping[str, tuple[str, pd.DataFrame]]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        Replaced as a whole.
    golden : DataFrame
        Rows of `compare_case`, all cases.
    simulations : mapping
        Heading -> (what was simulated, in a paragraph; its table).
    """
    parts = [HEAD, "## Golden cases\n", _markdown(_summary(golden))]
    wrong = golden[golden["verdict"].str.startswith("R is wrong")]
    if len(wrong):
        columns = ["case", "model", "quantity", "ours", "r", "difference", "verdict"]
        parts += [WRONG_HEAD, WRONG, _markdown(wrong[columns])]
    for heading, (paragraph, table) in simulations.items():
        parts += [f"## {heading}\n", f"{paragraph}\n", _markdown(table)]
    parts.append("## Every number\n")
    for (case, model), rows in golden.groupby(["case", "model"], sort=False):
        parts.append(f"<details><summary>{case}, {model}</summary>\n")
        parts.append(_markdown(_shown(rows)) + "\n</details>\n")
    written = path.with_suffix(".partial")
    written.write_text("\n".join(parts), encoding="utf-8", newline="\n")
    written.replace(path)


def _summary(golden: pd.DataFrame) -> pd.DataFrame:
    """One row per case: how many models and numbers, how many agree, and the worst share of a tolerance."""
    marked = golden.assign(
        fine=golden["verdict"].isin(_AGREED), early=golden["verdict"] == _AGREED[2], share=_share(golden)
    )
    return (
        marked.groupby("case", sort=False)
        .agg(
            models=("model", "nunique"),
            numbers=("quantity", "size"),
            agree=("fine", "sum"),
            r_stopped_early=("early", "sum"),
            largest_share_of_tolerance=("share", "max"),
        )
        .reset_index()
    )


def _share(golden: pd.DataFrame) -> pd.Series:
    allowed = golden["tolerance"].where(golden["tolerance"] > 0)
    return (golden["difference"].abs() / allowed).where(golden["verdict"] == _AGREED[0])


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(share=_share(rows))[["quantity", "ours", "r", "difference", "share", "verdict"]]


def _markdown(table: pd.DataFrame) -> str:
    """Return a frame as a pipe table; numbers with six significant digits."""
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(map(_cell, row)) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"  # NaN is not equal to itself
    return str(value).replace("|", "\\|")
