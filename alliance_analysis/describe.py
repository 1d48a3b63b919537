"""Who, how many, how much is missing, where the variance lies and how reliable the scores are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.study import vocabulary as v


def describe_sample(sessions: pd.DataFrame) -> pd.DataFrame:
    """Count sessions, clients and therapists, and how they are nested.

    Parameters
    ----------
    sessions : DataFrame
        Sessions.

    Returns
    -------
    DataFrame
        One row per level (`sessions`, `clients`, `therapists` where there are ids): `level n per median minimum
        maximum`: how many units, and how many of the units below stand in each ("sessions per client").

    Examples
    --------
    >>> describe_sample(pd.DataFrame({"client": ["a", "a", "b"], "session": [1, 2, 1]}))["n"].tolist()
    [3, 2]
    """
    per_client = sessions.groupby(v.CLIENT).size()
    rows = [
        {"level": "sessions", "n": len(sessions)},
        {"level": "clients", "n": len(per_client), "per": "sessions per client", **_spread(per_client)},
    ]
    if v.THERAPIST in sessions:
        caseload = sessions.groupby(v.THERAPIST)[v.CLIENT].nunique()
        rows.append({"level": "therapists", "n": len(caseload), "per": "clients per therapist", **_spread(caseload)})
    return pd.DataFrame(rows, columns=["level", "n", "per", "median", "minimum", "maximum"])


def _spread(counts: pd.Series) -> dict[str, float]:
    return {"median": counts.median(), "minimum": counts.min(), "maximum": counts.max()}


def describe_measures(
    frame: pd.DataFrame, columns: Sequence[str], ranges: Mapping[str, tuple[float, float]] | None = None
) -> pd.DataFrame:
    """Describe each measure: how much is missing, mean, spread, and shares at the floor and the ceiling of its scale.

    Parameters
    ----------
    frame : DataFrame
        Sessions or clients.
    columns : sequence of str
    ranges : mapping of str to (low, high), optional
        The scale of a measure; without it floor and ceiling are blank.

    Returns
    -------
    DataFrame
        `measure n missing_share mean sd p10 p90 floor_share ceiling_share`; shares from 0 to 1, the rest in the
        measure's unit. Quantiles, not extremes: an extreme is one client's own value.

    Examples
    --------
    >>> describe_measures(pd.DataFrame({"x": [1.0, 5.0, None, 5.0, 5.0]}), ["x"], {"x": (1, 5)})["ceiling_share"].item()
    0.75
    """
    rows = [_describe_measure(frame[name], (ranges or {}).get(name)) for name in columns]
    return pd.DataFrame(rows, columns=_MEASURE_COLUMNS)


_MEASURE_COLUMNS = ["measure", "n", "missing_share", "mean", "sd", "p10", "p90", "floor_share", "ceiling_share"]


def _describe_measure(values: pd.Series, scale: tuple[float, float] | None) -> dict[str, object]:
    known = values.dropna().astype(float)
    low, high = scale or (np.nan, np.nan)
    return {
        "measure": values.name,
        "n": len(known),
        "missing_share": float(values.isna().mean()),
        "mean": known.mean(),
        "sd": known.std(),
        "p10": known.quantile(0.1),
        "p90": known.quantile(0.9),
        "floor_share": float((known <= low).mean()) if scale else np.nan,
        "ceiling_share": float((known >= high).mean()) if scale else np.nan,
    }


def describe_caseloads(sessions: pd.DataFrame) -> pd.DataFrame:
    """Describe how clients are spread over therapists, as counts and quartiles: no single therapist is shown.

    Returns
    -------
    DataFrame
        `quantity value`: therapists, clients, clients who saw more than one therapist, therapists with two or more
        clients, and the quartiles of clients per therapist.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "b", "c"], "therapist": ["t", "t", "u"]})
    >>> describe_caseloads(frame)["value"].tolist()
    [2, 3, 0, 1, 1.25, 1.5, 1.75]
    """
    caseload = sessions.groupby(v.THERAPIST)[v.CLIENT].nunique()
    therapists = sessions.groupby(v.CLIENT)[v.THERAPIST].nunique()
    values = {
        "therapists": len(caseload),
        "clients": len(therapists),
        "clients who saw more than one therapist": int((therapists > 1).sum()),
        "therapists with two or more clients": int((caseload > 1).sum()),
        "clients per therapist, lower quartile": float(caseload.quantile(0.25)),
        "clients per therapist, median": float(caseload.median()),
        "clients per therapist, upper quartile": float(caseload.quantile(0.75)),
    }
    # counts stay whole numbers beside quartiles with decimals
    return pd.DataFrame({"quantity": list(values), "value": pd.Series(list(values.values()), dtype=object)})


def describe_arms(clients: pd.DataFrame | None, min_cell: int = 5) -> pd.DataFrame:
    """Describe the treatment arms: how many clients each has, and which one the others are compared with.

    Parameters
    ----------
    clients : DataFrame or None
    min_cell : int
        Arms with fewer clients are left out.

    Returns
    -------
    DataFrame
        `condition clients reference`; no row without arms. The first arm in alphabetical order is the reference.

    Examples
    --------
    >>> describe_arms(pd.DataFrame({"condition": list("bbaa")}), min_cell=2)["reference"].tolist()
    [True, False]
    """
    if clients is None or v.CONDITION not in clients:
        return pd.DataFrame(columns=["condition", "clients", "reference"])
    counts = clients[v.CONDITION].astype(str).where(clients[v.CONDITION].notna()).value_counts().sort_index()
    counts = counts[counts >= min_cell]
    reference = np.arange(len(counts)) == 0
    return pd.DataFrame({"condition": counts.index, "clients": counts.to_numpy(), "reference": reference})


def describe_missing(sessions: pd.DataFrame, columns: Sequence[str], min_cell: int = 5) -> pd.DataFrame:
    """Return the share of missing values by session number and measure.

    Parameters
    ----------
    sessions : DataFrame
    columns : sequence of str
    min_cell : int
        Session numbers that fewer clients reached are left out: they would show single persons.

    Returns
    -------
    DataFrame
        `session n_clients` and one column of shares (0 to 1) per measure.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "b"], "session": [1, 1], "x": [1.0, None]})
    >>> describe_missing(frame, ["x"], min_cell=1)["x"].tolist()
    [0.5]
    """
    grouped = sessions.groupby(v.SESSION)
    table = sessions[[*columns]].isna().groupby(sessions[v.SESSION]).mean()
    table.insert(0, "n_clients", grouped[v.CLIENT].nunique())
    return table[table["n_clients"] >= min_cell].reset_index()


def describe_variance(sessions: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Divide each measure's variance among therapists, clients and sessions within clients (REML, no predictors).

    Parameters
    ----------
    sessions : DataFrame
    columns : sequence of str
        Numeric measures that vary within clients.

    Returns
    -------
    DataFrame
        `measure level variance share n_sessions note`; level "between therapists", "between clients", "within
        clients"; `note` says where a variance is withheld because it is estimated at zero, where therapists are
        few or cannot be told from clients, and why a measure has no shares.
    """
    tables = [_variance(sessions, name) for name in columns]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_VARIANCE_COLUMNS)


_VARIANCE_COLUMNS = ["measure", "level", "variance", "share", "n_sessions", "note"]


def _variance(sessions: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the shares of one measure; a level that cannot be told apart, or a fit that fails, has a note instead."""
    used = sessions.dropna(subset=[column])
    groups, note = _groups(used)
    random = " + ".join(f"(1 | {group})" for group in groups)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # a variance at zero is said in the note
            fit = fit_mixed(f"{column} ~ 1 + {random}", used, df="normal")
        failed = "" if fit.converged else "the model did not converge"
    except ModelError as error:
        failed = str(error).rstrip(".")
    if failed:
        empty = {"measure": column, "level": _WITHIN, "variance": np.nan, "share": np.nan, "n_sessions": len(used)}
        return pd.DataFrame([empty | {"note": failed}])[_VARIANCE_COLUMNS]
    found = fit.variance_components().set_index("group")["estimate"]
    table = pd.DataFrame({"level": [*groups.values(), _WITHIN], "variance": [found[g] for g in (*groups, "residual")]})
    table["share"] = table["variance"] / table["variance"].sum()
    singular = table["share"] < 1e-6
    table.loc[singular, ["variance", "share"]] = np.nan  # a variance at zero is no finding that there is none
    notes = np.where(singular, "withheld: estimated at zero, these data cannot tell it from zero", note)
    return table.assign(n_sessions=len(used), note=notes, measure=column)[_VARIANCE_COLUMNS]


_WITHIN = "within clients"
FEW_THERAPISTS = 10  # below, a variance between therapists is known only roughly


def _groups(used: pd.DataFrame) -> tuple[dict[str, str], str]:
    """Return the levels whose variances can be told apart, and what to know about the one between therapists."""
    clients = {v.CLIENT: "between clients"}
    if v.THERAPIST not in used:
        return clients, ""
    therapists = used[v.THERAPIST].nunique()
    if therapists < 3 or used.groupby(v.THERAPIST)[v.CLIENT].nunique().max() < 2:
        why = f"{therapists} therapists" if therapists < 3 else "one client per therapist"
        return clients, f"{why}: what lies between therapists is in the share between clients"
    few = f"only {therapists} therapists: their share is known only roughly" if therapists < FEW_THERAPISTS else ""
    return {v.THERAPIST: "between therapists", **clients}, few


def describe_reliability(sessions: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Describe how reliably each measure tells clients apart, and sessions of one client apart.

    Parameters
    ----------
    sessions : DataFrame
    columns : sequence of str
        Measures; where `<measure>_goal`, `_task` and `_bond` stand beside one, they are its parts.

    Returns
    -------
    DataFrame
        `measure one_rating ratings_per_client mean_of_ratings alpha_between alpha_within`. `one_rating` = reliability
        of one rating as a sign of the client's usual level (the ICC); `ratings_per_client` = harmonic mean;
        `mean_of_ratings` = reliability of the mean of so many ratings; `alpha_*` = Cronbach's alpha of the three
        parts, of client means and of deviations from them: the second belongs beside every within-client claim. Blank
        without parts.

    References
    ----------
    Raudenbush & Bryk 2002; Geldhof, Preacher & Zyphur 2014, 10.1037/a0032138.
    """
    return pd.DataFrame([_reliability(sessions, name) for name in columns], columns=_RELIABILITY_COLUMNS)


_RELIABILITY_COLUMNS = [
    "measure", "one_rating", "ratings_per_client", "mean_of_ratings", "alpha_between", "alpha_within",
]  # fmt: skip


def _reliability(sessions: pd.DataFrame, column: str) -> dict[str, object]:
    variance = _variance(sessions, column).set_index("level")["variance"]
    within = variance[_WITHIN]
    between = variance.drop(_WITHIN).sum(min_count=1)  # nothing where every level is withheld
    counts = sessions.dropna(subset=[column]).groupby(dyad_keys(sessions)).size()
    k = len(counts) / (1 / counts).sum()
    parts = [f"{column}_{part}" for part in v.SUBSCALES]
    alphas = _alphas(sessions, parts) if set(parts) <= set(sessions.columns) else (np.nan, np.nan)
    return {
        "measure": column,
        "one_rating": between / (between + within),
        "ratings_per_client": k,
        "mean_of_ratings": between / (between + within / k),
        "alpha_between": alphas[0],
        "alpha_within": alphas[1],
    }


def _alphas(sessions: pd.DataFrame, parts: list[str]) -> tuple[float, float]:
    """Return Cronbach's alpha of the client means and of the deviations from them."""
    import pingouin

    complete = sessions.dropna(subset=parts)
    means = complete.groupby(dyad_keys(complete))[parts].transform("mean")
    clients = complete.groupby(dyad_keys(complete))[parts].mean()
    between = pingouin.cronbach_alpha(data=clients.reset_index(drop=True))[0]
    within = pingouin.cronbach_alpha(data=(complete[parts] - means).reset_index(drop=True))[0]
    return float(between), float(within)
