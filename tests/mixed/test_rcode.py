"""The R code of a fit, whole; each text was run in R 4.2.2 (lme4 1.1-31, nlme 3.1-162) and gave the log-likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.rcode import write_prepared
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Unstructured

HEAD = """# The model of this fit in R; the data are those of write_prepared().
options(contrasts = c("contr.treatment", "contr.poly"), digits = 10)
data <- read.csv("prepared.csv", check.names = FALSE)
"""
ARM = 'data$arm <- factor(data$arm, levels = c("a", "b", "c"))\n'
LME4 = """            control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.01, rhoend = 1e-9)))
"""
NLME = """           control = {}(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-12))
summary(fit)
"""
TEXTS = [
    (
        "log(y + 30) ~ scale(time) * arm + C(item) + (1 | therapist) + (1 + center(time) || client)",
        {},
        ARM
        + """library(lmerTest)
fit <- lmer(log(y + 30) ~ I((time - mean(time)) / sqrt(mean((time - mean(time))^2))) * arm + factor(item) + (1 | therapist) + (1 + I(time - mean(time)) || client),
            data = data, REML = TRUE,
"""
        + LME4
        + """summary(fit, ddf = "Satterthwaite")
logLik(fit)  # expected: 408.0150
""",
    ),
    (
        "y ~ time + poly(x, 2) + flag + (1 | therapist/client)",
        {"df": "kenward-roger"},
        """library(lmerTest)
fit <- lmer(y ~ time + poly(x, 2) + flag + (1 | therapist) + (1 | therapist:client),
            data = data, REML = TRUE,
"""
        + LME4
        + """summary(fit, ddf = "Kenward-Roger")
logLik(fit)  # expected: -615.6376
""",
    ),
    (
        "y ~ I(time ** 2) + x + (1 + time | client)",
        {"criterion": "ML", "df": "normal"},
        """library(lmerTest)
fit <- lmer(y ~ I(time ^ 2) + x + (1 + time | client),
            data = data, REML = FALSE,
"""
        + LME4
        + """summary(fit)
logLik(fit)  # expected: -601.2934
""",
    ),
    (
        "y ~ time + (1 | therapist) + (1 + time || client)",
        {"residual": AR1("time", "client")},
        """library(nlme)
data$series <- interaction(data$client, drop = TRUE)
fit <- lme(y ~ time, data = data,
           random = list(therapist = pdSymm(~ 1), client = pdDiag(~ 1 + time)),
           correlation = corAR1(form = ~ time | therapist/client/series),
           method = "REML",
"""
        + NLME.format("lmeControl")
        + "logLik(fit)  # expected: -606.1517\n",
    ),
    (
        "y ~ time * arm + (1 | therapist/client)",
        {"residual": [AR1("real", ["therapist", "client"]), ByGroup("arm")]},
        ARM
        + """library(nlme)
data$therapist.client <- interaction(data$therapist, data$client, drop = TRUE)
data$series <- interaction(data$therapist, data$client, drop = TRUE)
fit <- lme(y ~ time * arm, data = data,
           random = list(therapist = pdSymm(~ 1), therapist.client = pdSymm(~ 1)),
           correlation = corCAR1(form = ~ real | therapist/therapist.client/series),
           weights = varIdent(form = ~ 1 | arm),
           method = "REML",
"""
        + NLME.format("lmeControl")
        + "logLik(fit)  # expected: -613.3111\n",
    ),
    (
        "y ~ time",
        {"residual": Unstructured("quarter", ["therapist", "client"])},
        """library(nlme)
data$series <- interaction(data$therapist, data$client, drop = TRUE)
data$position <- as.integer(factor(data$quarter))
fit <- gls(y ~ time, data = data,
           correlation = corSymm(form = ~ position | series),
           weights = varIdent(form = ~ 1 | quarter),
           method = "REML",
"""
        + NLME.format("glsControl")
        + "logLik(fit)  # expected: -308.1794\n",
    ),
    (
        "y ~ time + (1 | client)",
        {"residual": SameSession("rater", ["client", "pair"])},
        """library(nlme)
data$series <- interaction(data$client, data$pair, drop = TRUE)
fit <- lme(y ~ time, data = data,
           random = list(client = pdSymm(~ 1)),
           correlation = corCompSymm(form = ~ 1 | client/series),
           weights = varIdent(form = ~ 1 | rater),
           method = "REML",
"""
        + NLME.format("lmeControl")
        + "logLik(fit)  # expected: -620.5696\n",
    ),
]


@pytest.fixture(scope="module")
def frame(arms: pd.DataFrame) -> pd.DataFrame:
    first = arms.groupby("client").cumcount()
    frame = arms.assign(flag=arms["item"] > 2, real=arms["time"] * 1.5 + 0.25 * (arms["time"] > 2))
    return frame.assign(rater=np.where(first % 2 == 0, "c", "t"), pair=first // 2, quarter=first)


def code_and_rows(frame: pd.DataFrame, formula: str, options: dict) -> tuple[str, pd.DataFrame]:
    rows = frame[frame["quarter"] < 3] if "quarter" in str(options) else frame
    return fit_mixed(formula, rows, **options).to_r(), rows


@pytest.mark.parametrize(("formula", "options", "text"), TEXTS)
def test_code_is_the_one_that_was_run(frame: pd.DataFrame, formula: str, options: dict, text: str) -> None:
    assert code_and_rows(frame, formula, options)[0] == HEAD + text


def test_rows_used_are_written_whole(frame: pd.DataFrame, tmp_path: Path) -> None:
    gaps = frame.assign(x=frame["x"].where(frame.index != 7))
    fit = fit_mixed("y ~ x + flag + arm + (1 | therapist/client)", gaps)
    file = write_prepared(fit, gaps, tmp_path / "prepared.csv")
    written = pd.read_csv(file)
    assert written.columns.tolist() == ["y", "x", "flag", "arm", "therapist", "client"]
    assert len(written) == len(frame) - 1
    np.testing.assert_array_equal(written["y"], fit.design.y)
    assert set(written["flag"]) == {0, 1}
    assert fit_mixed(fit.formula, written).log_lik == pytest.approx(fit.log_lik, abs=1e-8)


def test_nothing_is_overwritten_and_no_other_frame_written(frame: pd.DataFrame, tmp_path: Path) -> None:
    fit = fit_mixed("y ~ x + (1 | client)", frame)
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")
    for data, name, message in [
        (
            frame,
            "there.csv",
            "write_prepared: there.csv is there already; nothing is overwritten. Choose another name.",
        ),
        (
            frame.iloc[1:],
            "new.csv",
            "write_prepared: the frame (268 rows) is not the one of the fit (269 rows, columns y, x, client). Give the frame that fit_mixed was given.",
        ),
        (
            frame.assign(y=0.0),
            "new.csv",
            "write_prepared: the values of 'y' are not those of the fit. Give the frame that fit_mixed was given.",
        ),
    ]:
        with pytest.raises(ModelError) as caught:
            write_prepared(fit, data, tmp_path / name)
        assert str(caught.value) == message
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        (
            "y ~ bs(x, df=4) + (1 | client)",
            {},
            "to_r: bs() has other columns in R. Compute the columns of the spline first.",
        ),
        (
            "y ~ time + (0 + flagged || client)",
            {},
            "to_r: '||' with a factor (flagged) gives every level a variance of its own here, and in lme4 it does not. Make 0/1 columns of it first.",
        ),
        (
            "y ~ time + (1 | client)",
            {"residual": [SameSession("rater", ["client", "pair"]), AR1("pair", "client")]},
            "to_r: nlme has no structure for two correlations at once. Leave one out to compare.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_what_r_does_otherwise_is_refused(frame: pd.DataFrame, formula: str, options: dict, message: str) -> None:
    fit = fit_mixed(formula, frame.assign(flagged=frame["flag"].map({True: "yes", False: "no"})), **options)
    with pytest.raises(ModelError) as caught:
        fit.to_r()
    assert str(caught.value) == message
