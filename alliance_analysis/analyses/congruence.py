"""Agreement and outcome: a polynomial of both ratings, its surface, and every condition of a congruence claim."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from alliance_analysis.analyses.least_squares import LeastSquares, fit_least_squares
from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.analyses.surface import (
    AXIS_TERMS,
    SLOPES,
    SURFACE_TERMS,
    Support,
    discrepancy_rates,
    find_support,
    polynomial,
    principal_axes,
)
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import DfMethod, MixedFit, fit_mixed
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.result import TIDY_COLUMNS, Estimates, blank_withheld, check_conf_level
from alliance_analysis.study import vocabulary as v

Centre = Literal["pooled", "none"]
Fitted = MixedFit | LeastSquares | RefusedFit

X, Y = "x", "y"
COLUMNS = (X, Y, "x_squared", "x_by_y", "y_squared")
FEWEST_CLIENTS = 20  # five coefficients beside the intercept
FEW_DISAGREE = 0.10  # share on either side below which a surface of disagreement rests on few
_AXES_COLUMNS = ("term", "estimate", "delta_low", "delta_high", "boot_low", "boot_high", "n_draws")
STRICT, BROAD, NOT, UNKNOWN = "strict", "broad", "not supported", "cannot be told"


@dataclass(frozen=True)
class Congruence:
    """A polynomial regression of an outcome on two ratings, and the surface it draws.

    Attributes
    ----------
    fit : MixedFit, LeastSquares or RefusedFit
    outcome : str
    raters : (str, str)
        Names of x and y, in words.
    level : str
        "within" or "between": what the ratings are about; the two are never mixed.
    centre : float
        Subtracted from both ratings, so that equal ratings stay equal.
    higher_is_worse : bool
        Direction of the outcome.
    support : Support or None
        Where data lie; None where no surface may be shown.
    base_rates : dict
        Shares of rows in agreement and to either side.
    n_incomplete : int
        Rows left out for a missing value.
    """

    fit: Fitted
    outcome: str
    raters: tuple[str, str]
    level: str
    centre: float
    higher_is_worse: bool
    support: Support | None
    base_rates: dict[str, float]
    n_incomplete: int = 0

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return "" if isinstance(self.fit, RefusedFit) else self.fit.formula

    @property
    def coefficients(self) -> np.ndarray:
        """b1 to b5 of x, y, x^2, x y, y^2.

        Raises
        ------
        ModelError
            When the model was refused.
        """
        fit = self._fitted("coefficients")
        return fit.estimates.estimate[self._places(fit)]

    def _fitted(self, where: str) -> MixedFit | LeastSquares:
        if isinstance(self.fit, RefusedFit):
            raise ModelError(f"{where}: no model was fitted ({self.fit.reason}). Use data that can carry it.")
        return self.fit

    def _places(self, fit: MixedFit | LeastSquares) -> list[int]:
        return [fit.estimates.terms.index(name) for name in COLUMNS]

    @property
    def terms(self) -> tuple[str, ...]:
        """Surface parameters, then the coefficients in words."""
        if isinstance(self.fit, RefusedFit):
            return SURFACE_TERMS
        return (*SURFACE_TERMS, *(self._words.get(term, term) for term in self.fit.estimates.terms))

    @property
    def _words(self) -> dict[str, str]:
        x, y = self.raters
        return dict(zip(COLUMNS, (x, y, f"{x} squared", f"{x} by {y}", f"{y} squared"), strict=True))

    @property
    def levels(self) -> dict[str, str]:
        """Term -> level, of the surface parameters and the five coefficients."""
        named = (*SURFACE_TERMS, *self._words.values())
        return {term: self.level for term in self.terms if term in named}

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it; a surface stands only where all five coefficients do."""
        if isinstance(self.fit, RefusedFit):
            return dict.fromkeys(self.terms, self.fit.reason)
        found = {self._words.get(term, term): reason for term, reason in self.fit.withheld.items()}
        lost = [reason for term, reason in self.fit.withheld.items() if term in COLUMNS]
        return found | (dict.fromkeys(SURFACE_TERMS, lost[0]) if lost else {})

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate a1 to a5 and all coefficients: the columns of every fit.

        a1, a2: slope and curvature of the outcome along agreement (both high, both low); a3, a4: along disagreement;
        a5: b3 - b5. In outcome points per rating point (slopes) or squared point (curvatures). A withheld number is
        missing.
        """
        if isinstance(self.fit, RefusedFit):
            table = pd.DataFrame(np.nan, index=range(len(SURFACE_TERMS)), columns=list(TIDY_COLUMNS[1:]))
            table.insert(0, "term", SURFACE_TERMS)
            return table
        own = self.fit.tidy(conf_level)
        named = own.assign(term=own["term"].replace(self._words))
        return blank_withheld(pd.concat([self.surface(conf_level), named], ignore_index=True), self.withheld)

    def surface(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate a1 to a5 with standard errors from the coefficients' covariance, each with its own df."""
        fit = self._fitted("surface")
        rows = [fit.contrast(dict(zip(COLUMNS, weights, strict=True)), conf_level) for weights in SLOPES]
        return pd.concat(rows, ignore_index=True).assign(term=SURFACE_TERMS)

    def axes(
        self,
        n_bootstrap: int = 500,
        *,
        seed: int = 1,
        conf_level: float = 0.95,
        progress: Callable[[int, int], None] | None = None,
    ) -> pd.DataFrame:
        """Return stationary point and principal axes with delta and bootstrap limits.

        Ratios of coefficients: where they disagree trust the bootstrap's (percentiles; draws without an axis are left
        out and counted).

        Parameters
        ----------
        n_bootstrap : int
            Draws: parametric from a mixed model, clients with replacement from least squares.
        seed : int
        conf_level : float
        progress : callable, optional
            Called with (done, all).

        Returns
        -------
        DataFrame
            `term estimate delta_low delta_high boot_low boot_high n_draws`; no row where a4 is withheld.
        """
        check_conf_level(conf_level)
        if self.withheld.get("a4"):
            return pd.DataFrame(columns=_AXES_COLUMNS)
        fit = self._fitted("axes")
        b, places = self.coefficients, self._places(fit)
        covariance = fit.fixed_covariance[np.ix_(places, places)]
        estimate, errors = principal_axes(b), _delta_errors(b, covariance)
        delta = Estimates(AXIS_TERMS, estimate, errors, np.full(6, np.inf)).tidy(conf_level)
        draws = self._draws(fit, n_bootstrap, seed, progress)
        tails = ((1 - conf_level) / 2, (1 + conf_level) / 2)
        found = [column[np.isfinite(column)] for column in draws.T]
        limits = [np.quantile(c, tails) if len(c) > n_bootstrap / 2 else (np.nan, np.nan) for c in found]
        lows, highs = zip(*limits, strict=True)
        values = (AXIS_TERMS, estimate, delta["conf_low"], delta["conf_high"], lows, highs, [len(c) for c in found])
        return pd.DataFrame(dict(zip(_AXES_COLUMNS, values, strict=True)))

    def _draws(
        self, fit: MixedFit | LeastSquares, n: int, seed: int, progress: Callable[[int, int], None] | None
    ) -> np.ndarray:
        """Return the axes (n, 6) of coefficients drawn from the fit."""
        places = self._places(fit)
        if isinstance(fit, LeastSquares):
            return fit.resample(lambda beta: principal_axes(beta[places]), n, seed)
        drawn = fit.bootstrap(n, seed=seed, progress=progress)
        columns = [drawn.names.index(name) for name in COLUMNS]
        kept = drawn.draws[~np.isnan(drawn.draws).any(axis=1)]
        return np.array([principal_axes(row) for row in kept[:, columns]])

    def checklist(self, axes: pd.DataFrame | None = None, conf_level: float = 0.95) -> pd.DataFrame:
        """Hold the surface against every condition of a congruence claim; one star of a4 is not enough.

        Parameters
        ----------
        axes : DataFrame, optional
            From `axes`; made with 500 draws where it is not given.
        conf_level : float

        Returns
        -------
        DataFrame
            `condition quantity estimate conf_low conf_high holds meaning`. `holds`: "yes", "no", or "not contradicted"
            where the condition is that a value *is* 0 or 1 and the interval holds it, which is no evidence that it is.
            No row where a4 is withheld.

        References
        ----------
        Humberg, Nestler & Back 2019, 10.1177/1948550618757600.
        """
        columns = ["condition", "quantity", "estimate", "conf_low", "conf_high", "holds", "meaning"]
        if self.withheld.get("a4"):
            return pd.DataFrame(columns=columns)
        surface = self.surface(conf_level).set_index("term")
        axes = (self.axes(conf_level=conf_level) if axes is None else axes).set_index("term")
        ridge = "2" if self.higher_is_worse else "1"
        shape = "valley" if self.higher_is_worse else "ridge"
        a4 = surface.loc["a4", ["estimate", "conf_low", "conf_high"]]
        curved = a4["conf_low"] > 0 if self.higher_is_worse else a4["conf_high"] < 0
        rows: list[tuple[str, str, float, float, float, str, str]] = [
            ("the outcome is worse the further the two disagree", "a4", *a4, "yes" if curved else "no", f"a {shape}")
        ]
        for condition, term, value, meaning in (
            ("the outcome is best where the two agree", "a3", 0, "no slope along disagreement"),
            (f"its {shape} runs parallel to agreement", f"p{ridge}1", 1, "slope of the axis"),
            (f"its {shape} is not shifted from agreement", f"p{ridge}0", 0, "intercept of the axis"),
            ("no slope along agreement", "a1", 0, "strict sense only: the level itself does not matter"),
            ("no curvature along agreement", "a2", 0, "strict sense only"),
        ):
            limits = _limits_of(term, surface, axes)
            rows.append((condition, term, *limits, _holds(limits, value), meaning))
        return pd.DataFrame(rows, columns=columns)

    def curvature(self) -> pd.Series:
        """Return the row of a4, as `judge_replication` asks for it; its numbers missing where it is withheld."""
        return self.tidy().set_index("term").loc["a4"]

    def true_values(self, truth: Mapping[str, Any]) -> dict[str, float]:
        """Return a4 of a simulated study's truth (`load_truth`) at this level; empty for a real study.

        Between clients it is that of the early sessions' means, which hold less of disagreement than usual levels do.
        """
        name = f"congruence_{self.level}{'_early' if self.level == v.LEVEL_BETWEEN else ''}_a4"
        known = truth.get("agreement", {})
        return {"a4": float(known[name])} if name in known else {}

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; between clients each row is a client."""
        table = self.fit.glance()
        if isinstance(self.fit, MixedFit):
            table = table.assign(n_dropped=table["n_dropped"] + self.n_incomplete)
            if self.level == v.LEVEL_BETWEEN and f"n_{v.CLIENT}" not in table:
                table = table.rename(columns={"n_obs": f"n_{v.CLIENT}"})
        return table

    def variance_components(self) -> pd.DataFrame:
        """Tabulate the variances; none of least squares or a refused model."""
        if isinstance(self.fit, MixedFit):
            return self.fit.variance_components()
        return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})

    def predict_surface(self) -> np.ndarray:
        """Return the surface over the support, (25, 25): differences from ratings of 0; missing where no data lie."""
        support = self.support
        if support is None:
            raise ModelError(
                "predict_surface: no surface may be shown (`withheld` says why). Use data that can carry the model."
            )
        x, y = np.meshgrid(support.x, support.y)
        return np.where(support.inside, polynomial(x, y) @ self.coefficients, np.nan)


def judge_congruence(checklist: pd.DataFrame) -> tuple[str, str]:
    """Return what the checklist allows one to say, and why in a sentence.

    Returns
    -------
    (str, str)
        "strict", "broad", "not supported" or "cannot be told".

    Examples
    --------
    >>> rows = {"condition": list("abcdef"), "holds": ["yes", *["not contradicted"] * 3, "no", "not contradicted"]}
    >>> judge_congruence(pd.DataFrame(rows))[0]
    'broad'
    """
    holds = list(checklist["holds"])
    if not holds:
        return UNKNOWN, "nothing was fitted"
    failed = [c for c, h in zip(checklist["condition"][:4], holds[:4], strict=True) if h == "no"]
    unknown = [c for c, h in zip(checklist["condition"][:4], holds[:4], strict=True) if h == UNKNOWN]
    if failed:
        return NOT, f"not met: {'; '.join(f'that {condition}' for condition in failed)}"
    if unknown:
        return UNKNOWN, f"cannot be told: {'; '.join(unknown)}"
    if "no" in holds[4:]:
        return BROAD, "agreement goes with better outcome, and so does the level of the ratings in itself"
    return STRICT, "no condition is contradicted; those that ask for a value of 0 or 1 are not thereby shown to be met"


def _limits_of(term: str, surface: pd.DataFrame, axes: pd.DataFrame) -> tuple[float, float, float]:
    if term in surface.index:
        low, middle, high = surface.loc[term, ["conf_low", "estimate", "conf_high"]]
    else:
        low, middle, high = axes.loc[term, ["boot_low", "estimate", "boot_high"]]
    return float(middle), float(low), float(high)


def _holds(limits: tuple[float, float, float], value: float) -> str:
    _, low, high = limits
    if np.isnan(low) or np.isnan(high):
        return UNKNOWN
    return "not contradicted" if low <= value <= high else "no"


def _delta_errors(b: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return standard errors (6,) of the axes by central differences."""
    sizes = 1e-4 * np.sqrt(np.diagonal(covariance))
    steps = np.eye(5) * sizes
    jacobian = np.array(
        [(principal_axes(b + s) - principal_axes(b - s)) / (2 * h) for s, h in zip(steps, sizes, strict=True)]
    )
    return np.sqrt(np.einsum("ki,kl,li->i", jacobian, covariance, jacobian))


def fit_congruence(
    data: pd.DataFrame,
    outcome: str,
    first: str,
    second: str,
    *,
    beside: Sequence[str] = (),
    random: str = "",
    centre: Centre = "pooled",
    level: str = v.LEVEL_BETWEEN,
    higher_is_worse: bool = True,
    df: DfMethod = "satterthwaite",
    min_cell: int = 5,
) -> Congruence:
    """Fit a polynomial regression of an outcome on two ratings, within clients or between them.

    The difference of two ratings, or its size, as a predictor makes the outcome's relation with either rating look like
    one with disagreement; this model contains both ratings and shows what is left.

    Parameters
    ----------
    data : DataFrame
        From `pair_congruence` (within clients) or `client_congruence` (between them).
    outcome, first, second : str
        Columns; both ratings on one scale.
    beside : sequence of str
        Terms that stand beside, such as time and the earlier outcome.
    random : str
        Random terms, "(1 | client)"; "" for least squares with one row per client.
    centre : {"pooled", "none"}
        "pooled": both ratings minus the mean of all of them, never each minus its own, which would move disagreement.
        "none": as they are, for deviations from a client's own means.
    level : str
        "within" or "between": which the ratings are; for tables only.
    higher_is_worse : bool
        Direction of the outcome: a congruence effect is then a valley.
    df : {"satterthwaite", "kenward-roger", "normal"}
    min_cell : int
        Fewest clients near a point of the surface that may be drawn.

    Returns
    -------
    Congruence
        A model the data cannot carry has no number and says why in `withheld`.

    Raises
    ------
    ModelError
        When the outcome or a term beside has the name of one of the surface's own columns.

    Notes
    -----
    z = b0 + b1 x + b2 y + b3 x^2 + b4 x y + b5 y^2 + ... ; a1 = b1 + b2, a2 = b3 + b4 + b5, a3 = b1 - b2,
    a4 = b3 - b4 + b5, a5 = b3 - b5. Validated against lm and lme4 (tests/golden/rsa).

    References
    ----------
    Edwards & Parry 1993, 10.5465/256822; Humberg, Nestler & Back 2019, 10.1177/1948550618757600; Nestler, Humberg &
    Schönbrodt 2019, 10.1037/met0000199.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"]).assign(client=range(200))
    >>> frame["symptoms"] = (frame["a"] - frame["b"]) ** 2 + rng.normal(size=200)
    >>> fit_congruence(frame, "symptoms", "a", "b").surface()["estimate"].round(1).tolist()[3]
    4.2
    """
    refuse_names("fit_congruence", (outcome, *beside), COLUMNS)
    needed = [outcome, first, second, *beside]
    complete = data.dropna(subset=[name for name in needed if name in data])
    raters = (_word(first), _word(second))
    middle = float(complete[[first, second]].to_numpy(float).mean()) if centre == "pooled" and len(complete) else 0.0
    reason = _cannot(complete, first, second)
    about = (outcome, raters, level, middle, higher_is_worse)
    if reason:
        return Congruence(RefusedFit("a4", reason), *about, None, {})
    x, y = (complete[name].to_numpy(float) - middle for name in (first, second))
    columns = dict(zip(COLUMNS, np.moveaxis(polynomial(x, y), -1, 0), strict=True))
    try:
        fit = _fit(complete.assign(**columns), outcome, (*beside, *COLUMNS), random, df)
    except ModelError as error:
        return Congruence(RefusedFit("a4", str(error).rstrip(".")), *about, None, {})
    clients = complete.groupby(dyad_keys(complete), sort=False).ngroup().to_numpy()
    support = find_support(x, y, clients, min_cell)
    found = Congruence(fit, *about, support, discrepancy_rates(x, y), len(data) - len(complete))
    return replace(found, support=None) if "a4" in found.withheld else found


def refuse_names(where: str, names: Sequence[str], taken: Sequence[str]) -> None:
    """Raise ModelError where a column has a name that the surface's own columns would overwrite.

    Examples
    --------
    >>> refuse_names("fit_congruence", ("symptoms",), COLUMNS)
    """
    clash = sorted(set(names) & set(taken))
    if clash:
        raise ModelError(
            f"{where}: a column is named {clash[0]}; {', '.join(taken)} are the surface's own names. Rename the column."
        )


def _word(column: str) -> str:
    """Return a rater's name from a column of its rating."""
    return next((rater for rater in v.RATERS if column.startswith(f"alliance_{rater}")), column)


def _fit(
    data: pd.DataFrame, outcome: str, terms: tuple[str, ...], random: str, df: DfMethod
) -> MixedFit | LeastSquares:
    if not random:
        return fit_least_squares(outcome, terms, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # a singular fit is said in `withheld` and `glance`
        return fit_mixed(f"{outcome} ~ {' + '.join(terms)} + {random}", data, df=df)


def _cannot(complete: pd.DataFrame, first: str, second: str) -> str:
    n = complete.groupby(dyad_keys(complete)).ngroups if len(complete) else 0
    if n < FEWEST_CLIENTS:
        return f"{n} clients have everything the surface needs; at least {FEWEST_CLIENTS} are needed"
    for name in (first, second):
        if complete[name].nunique() < 3:
            return f"{name} takes {complete[name].nunique()} values; a curved surface needs three or more"
    if np.allclose(complete[first], complete[second]):
        return f"{first} and {second} hold the same numbers, so nobody disagrees"
    return ""
