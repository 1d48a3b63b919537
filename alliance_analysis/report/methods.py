"""The methods paragraph of a report: every recorded model in a sentence, with the numbers it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alliance_analysis.errors import AllianceError
from alliance_analysis.report.formats import format_counted, format_percent
from alliance_analysis.report.records import counts

_CRITERIA = {
    "REML": "restricted maximum likelihood",
    "ML": "maximum likelihood",
    "least squares": "ordinary least squares",
}
_DF = {
    "satterthwaite": "degrees of freedom after Satterthwaite",
    "kenward-roger": "standard errors and degrees of freedom after Kenward and Roger",
    "normal": "normal quantiles",
    "clusters - 1": "Student's t with one degree of freedom less than there are therapists",
}
_CALIBRATED = "calibrated by simulation"
_NOUNS = {"n_sessions": "session", "n_clients": "client", "n_therapists": "therapist"}


def method_entry(fit: Any, model: str, glance: pd.DataFrame) -> dict[str, Any]:
    """Return what the methods paragraph says of a recorded fit: formula, criterion, how intervals were made, sizes.

    Parameters
    ----------
    fit : object
        A fit as `report.record` takes it; `formula` and `to_r` are optional, also on its own `fit`.
    model : str
    glance : DataFrame
        One row.
    """
    row = glance.iloc[0]
    known = {name: str(row[name]) for name in ("criterion", "df_method", "df_basis", "se_method") if name in glance}
    sizes = {name: n for name, n in counts(glance).items() if n is not None}
    dropped = int(row["n_dropped"]) if "n_dropped" in glance and pd.notna(row["n_dropped"]) else None
    converged = bool(row.get("converged", True))
    formula = str(getattr(fit, "formula", "") or "")
    return {"model": model, "formula": formula, "converged": converged, "n_dropped": dropped, **known, **sizes} | {
        "r_code": r_code(fit) if converged else ""
    }


def r_code(fit: Any) -> str:
    """Return the equivalent R code of a fit that can say it; "" for one that cannot.

    Examples
    --------
    >>> r_code(object())
    ''
    """
    speaker = getattr(fit, "to_r", None) or getattr(getattr(fit, "fit", None), "to_r", None)
    if speaker is None:
        return ""
    try:
        return str(speaker())
    except AllianceError:
        return ""  # R's packages have no such residual structure or term


def describe_method(entry: Mapping[str, Any]) -> str:
    """Say in a sentence how one model was fitted, and on whom.

    Examples
    --------
    >>> sizes = {"n_sessions": 90, "n_clients": 1, "n_dropped": 2}
    >>> describe_method({"model": "m", "formula": "y ~ x", "criterion": "REML", "converged": True, **sizes})
    'm: y ~ x, by restricted maximum likelihood; 90 sessions, 1 client, 2 rows left out.'
    """
    if not entry["converged"]:
        return f"{entry['model']}: not fitted, or it did not converge; nothing is reported from it."
    how = f", by {_CRITERIA[entry['criterion']]}" if entry.get("criterion") in _CRITERIA else ""
    parts = [f"{entry['formula']}{how}" if entry["formula"] else how.removeprefix(", ")]
    if entry.get("df_method") in _DF:
        basis = f" ({_CALIBRATED})" if entry.get("df_basis") == _CALIBRATED else ""
        parts.append(f"{_DF[entry['df_method']]}{basis}")
    if entry.get("se_method"):
        parts.append(f"standard errors: {entry['se_method']}")
    sizes = [format_counted(entry[name], noun, f"{noun}s") for name, noun in _NOUNS.items() if name in entry]
    if entry.get("n_dropped"):
        sizes.append(f"{format_counted(entry['n_dropped'], 'row', 'rows')} left out")
    parts.append(", ".join(sizes))
    return f"{entry['model']}: {'; '.join(part for part in parts if part)}."


def describe_methods(
    entries: Sequence[Mapping[str, Any]], versions: Mapping[str, str], conf_level: float
) -> tuple[str, list[str]]:
    """Return the paragraph that opens the methods, and one sentence per model in the order of the report.

    Parameters
    ----------
    entries : sequence of mapping
        From `method_entry`; a model recorded twice is said once.
    versions : mapping
        Package -> version.
    conf_level : float

    Examples
    --------
    >>> describe_methods([], {"alliance-analysis": "0.1.0", "python": "3.11.7"}, 0.95)[0]
    'Analyses were run with alliance_analysis 0.1.0 on Python 3.11.7. Intervals are 95 % confidence intervals.'
    """
    ours, python = versions.get("alliance-analysis", ""), versions.get("python", "")
    beside = [f"{name} {versions[key]}" for key, name in (("numpy", "NumPy"), ("pandas", "pandas")) if key in versions]
    used = f" with {' and '.join(beside)}" if beside else ""
    opening = (
        f"Analyses were run with alliance_analysis {ours} on Python {python}{used}. "
        f"Intervals are {format_percent(conf_level)} confidence intervals."
    )
    sentences = list(dict.fromkeys(describe_method(entry) for entry in entries))
    return opening, sentences
