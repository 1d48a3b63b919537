"""The golden cases: which model of which case is fitted, on which rows, with which residual structure; all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_analysis.mixed.crossproducts import Criterion
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Unstructured
from alliance_analysis.validation.closed import CLOSED_CASES, ClosedCase


@dataclass(frozen=True)
class GoldenCase:
    """One model that R has fitted, and how the same model is written here.

    Attributes
    ----------
    case, model : str
        Folder of the case, and the key of the model in its `reference.json`: "a.b" for a nested key, "" for all.
    formula : str
        Empty: the stored one, which lme4 was given.
    residual : object
        Residual structure or None.
    library : str
        "lme4" or "nlme": whose output the reference has, and which tolerances apply.
    frame : callable
        Folder -> the rows to fit.
    refused : str
        What the refusal must name, for a model that is not identified; "" for one that must be fitted.
    """

    case: str
    model: str
    formula: str = ""
    residual: Any = None
    library: str = "lme4"
    frame: Callable[[Path], pd.DataFrame] = lambda folder: pd.read_csv(folder / "derived.csv")
    refused: str = ""

    def reference(self, golden: Path) -> dict[str, Any]:
        """Return R's results for this model."""
        stored = json.loads((golden / self.case / "reference.json").read_text(encoding="utf-8"))
        for key in filter(None, self.model.split(".")):
            stored = stored[key]
        return dict(stored)

    def criterion(self, stored: dict[str, Any]) -> Criterion:
        """Return the criterion that R maximised."""
        if "REML" in stored:
            return "REML" if stored["REML"] else "ML"
        return "ML" if stored.get("method") == "ML" else "REML"


def _plain(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "data.csv")


def _items(folder: Path) -> pd.DataFrame:
    frame = _plain(folder)
    return frame.astype({"dyad": str, "session": str, "item": str})


def _surface(folder: Path) -> pd.DataFrame:
    frame = pd.read_csv(folder / "derived.csv")
    return frame.assign(time=frame["session"] - 1)


def _visits(folder: Path) -> pd.DataFrame:
    """One row per person and visit, as the reference's `reshape`."""
    wide = _plain(folder)
    long = wide.melt(id_vars=["id", "group"], value_vars=["y1", "y2", "y3", "y4"], var_name="visit", value_name="y")
    long = long.assign(visit=long["visit"].str[1:].astype(int)).dropna(subset=["y"])
    return long.assign(vf=long["visit"].astype(str), gf=long["group"].astype(str), time=long["visit"] - 1)


def _visits_after_baseline(folder: Path) -> pd.DataFrame:
    baseline = _plain(folder).set_index("id")["y1"]
    later = _visits(folder).query("visit > 1")
    return later.assign(bc=later["id"].map(baseline) - baseline.mean())


_TWO_LEVEL = (
    "null", "contemporaneous", "contemporaneous_ML", "lagged_random_slope", "detrended_lagged", "mundlak", "lagged_dv",
)  # fmt: skip
_THREE_LEVEL = ("null", "within_between_3level", "within_between_3level_ML", "lagged_slopes")
_GROWTH = (
    "linear_ML", "quadratic_ML", "log_ML", "piecewise_ML", "linear_REML", "time_varying_effect",
    "random_alliance_slope", "alliance_growth",
)  # fmt: skip
_TRUTH = ("tracking_random_slope", "temporal_and_between", "moderated_by_time", "three_level")

_LAGGED = "sym ~ time + a_w_lag + a_bc"
_TIES = AR1(time="session", by="dyad")
_ACTOR_PARTNER = (
    "y ~ 0 + client + therap + client:time + therap:time + client:act + client:par + therap:act + therap:par"
    " + (0 + client + therap | dyad)"
)
_EQUAL = "y ~ 0 + client + therap + client:time + therap:time + act + par + (0 + client + therap | dyad)"
_PAIR = SameSession(rater="role", by=["dyad", "session"])
_MEDIATION = "z ~ 0 + Smx + Sym + Syx"

MODELS: tuple[GoldenCase, ...] = (
    *(GoldenCase(case, model) for case in ("mlm2_regular", "mlm2_tiny_constant") for model in _TWO_LEVEL),
    *(GoldenCase(case, model) for case in ("mlm3_regular", "mlm3_singular") for model in _THREE_LEVEL),
    GoldenCase("mlm3_two_therapists", "null"),
    *(GoldenCase("mlm3_two_therapists", model, refused="a_bt") for model in _THREE_LEVEL[1:]),
    *(GoldenCase("growth_strong_slopes", model) for model in _GROWTH),
    GoldenCase("collinear_subscales", "model"),
    *(GoldenCase("truth_bias", model) for model in _TRUTH),
    GoldenCase("truth_bias", "tracking_ar1", "judge ~ truth_w + (1 | dyad)", _TIES, "nlme"),
    GoldenCase("lme_ar1_gaps", "ri_iid_reml", f"{_LAGGED} + (1 | dyad)", None, "nlme"),
    *(
        GoldenCase("lme_ar1_gaps", model, f"{_LAGGED} + (1 | dyad)", _TIES, "nlme")
        for model in ("ri_ar1_reml", "ri_ar1_ml", "ri_car1_reml", "ri_car1_ml")
    ),
    GoldenCase("lme_ar1_gaps", "gls_ar1_reml", _LAGGED, _TIES, "nlme"),
    *(
        GoldenCase("lme_ar1_gaps", model, f"{_LAGGED} + (1 | therapist/dyad)", _TIES, "nlme")
        for model in ("nested3_ar1_reml", "nested3_car1_reml")
    ),
    *(
        GoldenCase("apim_longitudinal", model, _ACTOR_PARTNER, _PAIR, "nlme")
        for model in ("two_intercept_reml", "two_intercept_ml")
    ),
    GoldenCase("apim_longitudinal", "equal_actor_partner_ml", _EQUAL, _PAIR, "nlme"),
    GoldenCase(
        "one_with_many", "model", "y ~ 0 + rc + rt + (0 + rc + rt | therapist)",
        SameSession(rater="role", by=["therapist", "dyad"]), "nlme",
    ),
    GoldenCase("mediation_111", "model", f"{_MEDIATION} + (0 + Smx + Sym | dyad)", ByGroup("o"), "nlme"),
    GoldenCase("mediation_111", "model_uncorrelated", f"{_MEDIATION} + (0 + Smx + Sym || dyad)", ByGroup("o"), "nlme"),
    GoldenCase(
        "trial_ppt_tau", "mmrm_unstructured", "y ~ vf * gf", Unstructured(visit="visit", by="id"), "nlme", _visits
    ),
    GoldenCase(
        "trial_ppt_tau", "mmrm_cond_baseline", "y ~ vf * gf + bc * vf", Unstructured(visit="visit", by="id"), "nlme",
        _visits_after_baseline,
    ),
    GoldenCase("trial_ppt_tau", "group_time_lmm", frame=_visits),
    GoldenCase("rsa", "multilevel.model", frame=_surface),
    GoldenCase(
        "gtheory", "",
        "y ~ 1 + (1 | dyad) + (1 | session) + (1 | item) + (1 | dyad:session) + (1 | dyad:item) + (1 | session:item)",
        frame=_items,
    ),
    GoldenCase("gtheory", "nested", "y ~ 1 + (1 | dyad) + (1 | dyad:session)", frame=_items),
)  # fmt: skip

CASES: tuple[GoldenCase | ClosedCase, ...] = (*MODELS, *CLOSED_CASES)
