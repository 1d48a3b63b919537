"""Texts for figures and notes under tables, made from computed results. No number is typed into prose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from alliance_analysis.report.formats import format_count, format_interval, format_number, format_percent
from alliance_analysis.wording import spoken

FEWEST_THERAPISTS = 20  # as in the figure that is described

METRIC_WITHIN = (
    "Standardised: slope times SD of the alliance over SD of symptoms, both pooled within clients on the rows of the "
    "model. A negative slope goes with fewer symptoms. Intervals by the normal distribution. The slope of raw values "
    "is meant as a within-client one; it is a blend in which differences between clients have a part."
)
METRIC_PANEL = (
    "Standardised: pooled within-client SDs of the ratings, the metric of the literature; limits are those of the "
    "standardised slope. Random slopes: each client has an own course over time. Without any time term two series that "
    "both change over treatment go together for that reason alone."
)
METRIC_STRUCTURES = (
    "Standardised within clients, as above. Intervals by Satterthwaite's df; under an AR(1) residual and under unequal "
    "variances no other program has df to compare with: these are calibrated by simulation. AIC compares the "
    "structures of one model."
)
METRIC_BIAS = (
    "In standard deviations of the deviations from a client's level and trend; the slopes above are in observed "
    "within-client standard deviations, which contain the trend. Rejected: share of simulated studies whose 95 percent "
    "interval leaves out zero; at a true slope of zero these are false positives, and 5 % would be right. MC error, "
    "rejected error: Monte Carlo standard errors."
)
METRIC_RELIABILITY = (
    "One rating, mean of ratings: reliability as a sign of the client's usual level, of one rating and of the mean of "
    "so many ratings (harmonic mean number per client). Alpha: Cronbach's alpha of goal, task and bond, of client "
    "means and of deviations from them; a dash where there are no subscales."
)


METRIC_AGREEMENT = (
    "Level: what a number is about. Between: clients' usual levels. Within: sessions of one client. Total: single "
    "sessions of all clients. ICC(A): agreement; ICC(C): consistency, the mean difference left out; (1): of one "
    "rating, (k): of the mean of both. CCC: concordance, precision times accuracy. Limits of agreement hold 95 % of "
    "single differences, second minus first rater, in score points, and count each session once; the directional "
    "bias below counts clients alike."
)
METRIC_POOLED = (
    "What is often computed instead, with the intervals that are usually given. None of these is an answer: the "
    "last column says why."
)
METRIC_FORCES = (
    "In score points. Directional bias: the judge's rating minus the truth's. Truth force: points by which the "
    "judge's rating moves when the truth moves by one. Who is called the truth is a convention; both directions are "
    "shown. A truth force below 1 also comes from error of measurement in the truth."
)
METRIC_SURFACE = (
    "In outcome points per rating point (slopes a1, a3) or squared point (curvatures a2, a4). Along agreement both "
    "ratings rise together; along disagreement one rises as the other falls. Ratings are centred at one common "
    "value."
)
METRIC_CHECKLIST = (
    "All conditions must hold for the claim that agreement in itself goes with a better outcome (Humberg, Nestler "
    "and Back); the last two for its strict sense. “Not contradicted”: the interval holds the value asked for, "
    "which does not show that it is met. A slope of one rating alone shifts the valley or ridge: the claim then "
    "fails although disagreement goes with a worse outcome. A surface cannot say whether being too high is better "
    "or worse than being too low."
)
METRIC_DISCREPANCY = (
    "Correlations with the outcome, clients as units. The last two columns: what the score would show if the "
    "outcome went with one rating alone and agreement did not matter. A difference that correlates with an outcome "
    "is no evidence that disagreement matters."
)


def describe_effects(effects: pd.DataFrame, label: str) -> str:
    """Return the text for the figure of therapists' predicted effects: their spread, no single therapist."""
    if len(effects) < FEWEST_THERAPISTS:
        return f"Not drawn: {format_count(len(effects))} therapists with a predicted deviation are too few to show."
    low, high = effects["estimate"].quantile([0.1, 0.9])
    return (
        f"How {format_count(len(effects))} therapists' predicted deviations in {label} are spread: the middle 80 "
        f"percent lie between {format_number(low)} and {format_number(high)}."
    )


def describe_course(sessions: pd.DataFrame, column: str, label: str) -> str:
    """Return the text for a course figure: medians early and late, for readers who cannot see it."""
    known = sessions.dropna(subset=[column])
    early = known.loc[known["session"] <= 3, column].median()
    last_third = known.loc[known["session"] >= known["session"].quantile(2 / 3), column].median()
    return (
        f"Course of {label} over sessions, as bands that hold the middle half and the middle 80 percent of clients: "
        f"median {format_number(early)} in sessions 1 to 3, {format_number(last_third)} in the last third of sessions."
    )


def describe_estimates(table: pd.DataFrame, names: str, columns: tuple[str, str, str]) -> str:
    """Return the text for a figure of estimates: each name with its estimate and interval, those known."""
    middle, low, high = columns
    parts = [
        f"{spoken(row[names])} {format_number(row[middle])} {format_interval(row[low], row[high])}"
        for _, row in table.dropna(subset=[middle]).iterrows()
    ]
    return f"Estimates with intervals: {'; '.join(parts) or 'none may be shown'}."


def describe_shares(shares: pd.DataFrame) -> str:
    """Return the text for a figure of variance shares."""
    if shares["share"].isna().all():
        return "Shares of variance: none could be told apart."
    parts = [
        f"{spoken(row['measure'])}, {row['level']}: {format_percent(row['share'])}" for _, row in shares.iterrows()
    ]
    return f"Shares of variance: {'; '.join(parts)}."


def describe_attendance(sessions: pd.DataFrame) -> str:
    """Return the text for the figure of clients per session number."""
    counts = sessions.groupby("session")["client"].nunique()
    middle = counts.index[len(counts) // 2]
    return (
        f"Clients with data by session number: {format_count(counts.iloc[0])} at session {counts.index[0]}, "
        f"{format_count(counts.loc[middle])} at session {middle}."
    )


def describe_missing_figure(shares: pd.DataFrame) -> str:
    """Return the text for the figure of missing values."""
    columns = [name for name in shares if name not in ("session", "n_clients")]
    parts = [f"{spoken(name)} up to {format_percent(shares[name].max())}" for name in columns]
    return f"Missing values by session number and measure: {'; '.join(parts)}."


def describe_binned(tidy: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Return the text for the figure of early alliance against the end state."""
    r = tidy.loc[tidy["term"] == "r", "estimate"].iloc[0]  # a dash where it is withheld
    first, second = labels.values()
    return f"{second} against {first}, means of groups of clients, with the least-squares line; r = {format_number(r)}."


def describe_both_courses(sessions: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the text for the figure of both raters' courses: each one's median early and late."""
    return " ".join(describe_course(sessions, name, name.replace("_", " ")) for name in columns)


def describe_limits(agreement: pd.DataFrame) -> str:
    """Return the text for the figure of limits of agreement: mean difference and limits with their intervals."""
    rows = agreement[agreement["term"].isin(["mean difference", "lower limit", "upper limit"])].dropna(
        subset=["estimate"]
    )
    if rows.empty:
        return "Differences against means of the two ratings; no limits of agreement are given."
    parts = [
        f"{row['term']} {format_number(row['estimate'])} {format_interval(row['conf_low'], row['conf_high'])}"
        for _, row in rows.iterrows()
    ]
    return f"Differences of the two ratings against their mean, as counts of clients per cell: {'; '.join(parts)}."


def describe_forces(forces: pd.DataFrame) -> str:
    """Return the text for the figure of truth and bias: bias and truth forces with their intervals."""
    known = forces.dropna(subset=["estimate"])
    parts = [
        f"{spoken(row['term'])} {format_number(row['estimate'])} {format_interval(row['conf_low'], row['conf_high'])}"
        for _, row in known.iterrows()
    ]
    return f"One rater's mean against the other's, as means of groups of clients: {'; '.join(parts) or 'no estimates'}."


def describe_partition(shares: pd.DataFrame) -> str:
    """Return the text for the figure of variance by rater and source."""
    known = shares[shares["term"].str.contains(" ratings: ")].dropna(subset=["estimate"])
    parts = [f"{row['term']} {format_percent(row['estimate'])}" for _, row in known.iterrows()]
    return f"Shares of variance: {'; '.join(parts) or 'none could be told apart'}."


def describe_surface(parameters: pd.DataFrame) -> str:
    """Return the text for the figure of a response surface: a1 to a4 with their intervals."""
    meanings = {
        "a1": "slope along agreement",
        "a2": "curvature along agreement",
        "a3": "slope along disagreement",
        "a4": "curvature along disagreement",
    }
    table = parameters.set_index("term")
    parts = [
        f"{words} {format_number(table.loc[name, 'estimate'])} "
        f"{format_interval(table.loc[name, 'conf_low'], table.loc[name, 'conf_high'])}"
        for name, words in meanings.items()
        if name in table.index
    ]
    return f"Response surface of both ratings, drawn where data lie: {'; '.join(parts)}."


def describe_dependability(curve: pd.DataFrame) -> str:
    """Return the text for the figure of dependability by number of sessions."""
    if curve.empty:
        return "Dependability of a client's mean: it could not be told."
    ends = curve.iloc[[0, -1]]
    parts = [
        f"{format_number(row['estimate'])} {format_interval(row['conf_low'], row['conf_high'])} for "
        f"{format_count(row['sessions'])}"
        for _, row in ends.iterrows()
    ]
    return f"Dependability of a client's mean by number of sessions: {' and '.join(parts)}."
