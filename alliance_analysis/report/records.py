"""Turns a fit into the rows a report records: no number of a term or level from which nothing may be reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import pandas as pd

from alliance_analysis.errors import ReportError
from alliance_analysis.report.formats import format_counted
from alliance_analysis.study.vocabulary import LEVEL_VARIANCE, LEVELS

_NOT_CONVERGED = "the model did not converge, so nothing is reported from it"
# results.json speaks of sessions, clients and therapists; a fit only knows its grouping factors
_COUNTS = {
    "n_sessions": ("n_obs",),
    "n_clients": ("n_client", "n_therapist:client"),
    "n_therapists": ("n_therapist",),
}


class Fit(Protocol):
    """What a fitted model hands to a report; `withheld`, `formula` and `variance_components()` are optional."""

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...
    def glance(self) -> pd.DataFrame: ...


def check_terms(
    model: str,
    tidy: pd.DataFrame,
    levels: Mapping[str, str] | None,
    standardised: Mapping[str, float] | None,
    primary: bool | str,
) -> None:
    terms = list(tidy["term"])
    named = [*(levels or {}), *(standardised or {}), *([primary] if isinstance(primary, str) else [])]
    for term in named:
        if term not in terms:
            raise ReportError(f"record, model {model!r}: no term {term!r}; terms are {', '.join(terms)}. Correct it.")
    for level in (levels or {}).values():
        if level not in LEVELS:
            raise ReportError(
                f"record, model {model!r}: no level {level!r}; allowed are {', '.join(LEVELS)}. Correct it."
            )


def withheld_reasons(fit: Fit, glance: pd.DataFrame, tidy: pd.DataFrame) -> dict[str, str]:
    reasons: Mapping[str, str] = getattr(fit, "withheld", {})
    if "converged" in glance and not bool(glance["converged"].iloc[0]):
        reasons = {term: reasons.get(term, _NOT_CONVERGED) for term in tidy["term"]}
    return {term: reason.rstrip(".") for term, reason in reasons.items()}


def is_primary(term: str, primary: bool | str, levels: Mapping[str, str] | None) -> bool:
    if isinstance(primary, str):
        return term == primary
    return primary and (levels is None or term in levels)


def variance_rows(fit: Fit, glance: pd.DataFrame) -> pd.DataFrame:
    """Rows for the variance components, without the grouping factor whose variance is estimated at zero."""
    components: Callable[[], pd.DataFrame] | None = getattr(fit, "variance_components", None)
    if components is None or ("converged" in glance and not bool(glance["converged"].iloc[0])):
        return pd.DataFrame()
    frame = components()
    singular = str(glance["singular_level"].iloc[0]) if "singular_level" in glance else ""
    frame = frame.loc[~frame["group"].isin(singular.split(", "))]
    names = [
        row.group + (f": {row.term}" if row.term else "") + (f" with {row.term2}" if row.term2 else "")
        for row in frame.itertuples()
    ]
    return pd.DataFrame(
        {"term": names, "estimate": frame["estimate"].to_numpy(), "level": LEVEL_VARIANCE, "primary": False}
    )


def basis_note(glance: pd.DataFrame) -> str:
    """Say on whom an estimates table rests, what was left out, and how intervals were made.

    Examples
    --------
    >>> basis_note(pd.DataFrame([{"n_obs": 90, "n_client": 1, "n_dropped": 2, "criterion": "ML"}]))
    '90 sessions, 1 client; 2 rows left out for a missing value. ML.'
    """
    nouns = {"n_sessions": "session", "n_clients": "client", "n_therapists": "therapist"}
    sizes = [format_counted(n, nouns[name], f"{nouns[name]}s") for name, n in counts(glance).items() if n is not None]
    row = glance.iloc[0]
    lost = (
        f"; {format_counted(row['n_dropped'], 'row', 'rows')} left out for a missing value"
        if "n_dropped" in row
        else ""
    )
    how = [str(row["criterion"])] if "criterion" in row else []
    how += [_DF_METHODS[row["df_method"]] + _df_warning(row)] if row.get("df_method") in _DF_METHODS else []
    how += [f"Standard errors: {row['se_method']}"] if "se_method" in row else []
    return f"{', '.join(sizes)}{lost}.{' ' + '; '.join(how) + '.' if how else ''}" if sizes else ""


def _df_warning(glance: pd.Series) -> str:
    """Name the basis of df that no other program, or no theory, vouches for."""
    notable = glance["df_method"] != "normal" and glance.get("df_basis") in _NOTABLE_BASES
    return f" ({glance['df_basis']})" if notable else ""


_NOTABLE_BASES = ("calibrated by simulation", "at the boundary")
_DF_METHODS = {
    "satterthwaite": "df by Satterthwaite",
    "kenward-roger": "standard errors and df by Kenward and Roger",
    "normal": "normal quantiles",
}


def counts(glance: pd.DataFrame) -> dict[str, int | None]:
    known = {column: glance[column].iloc[0] for column in glance if pd.notna(glance[column].iloc[0])}
    return {
        name: next((int(known[column]) for column in columns if column in known), None)
        for name, columns in _COUNTS.items()
    }
