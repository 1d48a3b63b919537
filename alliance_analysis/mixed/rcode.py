"""Says a fit in R, so that anyone can check it elsewhere: lme4 or nlme code as text, and the rows it needs as csv."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.formula import Formula, parse_formula
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Structure, Unstructured

if TYPE_CHECKING:
    from alliance_analysis.mixed.fitted import MixedFit

LME4_CONTROL = 'lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.01, rhoend = 1e-9))'
NLME_CONTROL = "(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-12)"
DDF = {"satterthwaite": "Satterthwaite", "kenward-roger": "Kenward-Roger"}
# numpy's standard deviation divides by n, R's by n - 1.
_NAME = re.compile(r"[^\W\d]\w*")
CALLS = {
    "scale": "I(({0} - mean({0})) / sqrt(mean(({0} - mean({0}))^2)))",
    "center": "I({0} - mean({0}))",
    "C": "factor({0})",
}


@dataclass(frozen=True)
class Model:
    """What a fit consists of, as far as R needs to know; `whole_times` when a serial correlation may be negative."""

    formula: str
    criterion: str
    df_method: str
    design: Design
    structures: tuple[Structure, ...]
    log_lik: float
    whole_times: bool = False


def r_code(model: Model, path: str) -> str:
    """Write the R code that fits the same model to the rows of `write_prepared`, saved as `path`.

    Raises
    ------
    ModelError
        For what R codes otherwise (`bs`, `||` with a factor), and residual structures nlme does not have.
    """
    formula = parse_formula(model.formula, random_required=not model.structures)
    lines = [
        "# The model of this fit in R; the data are those of write_prepared().",
        'options(contrasts = c("contr.treatment", "contr.poly"), digits = 10)',
        f"data <- read.csv({_quote(path)}, check.names = FALSE)",
        *_factors(model.design),
        *(_nlme(formula, model) if model.structures else _lme4(formula, model)),
        f"logLik(fit)  # expected: {model.log_lik:.4f}",
    ]
    return "\n".join(lines) + "\n"


def write_prepared(fit: MixedFit, data: pd.DataFrame, path: str | Path) -> Path:
    """Write the rows and columns a fit used as csv, for R; ids and scores are in it, so keep it where the data are.

    Parameters
    ----------
    fit : MixedFit
    data : pandas.DataFrame
        The frame the fit was made from.
    path : str or Path
        Of a file that is not there yet.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        When the file exists, or the frame is not the one of the fit.

    Examples
    --------
    >>> import tempfile
    >>> from alliance_analysis.mixed.fit import fit_mixed
    >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8), "other": 1})
    >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_prepared(fit_mixed("y ~ time + (1 | client)", frame), frame, Path(folder) / "prepared.csv")
    ...     pd.read_csv(file).columns.tolist()
    ['y', 'time', 'client']
    """
    target = Path(path)
    if target.exists():
        raise ModelError(
            f"write_prepared: {target.name} is there already; nothing is overwritten. Choose another name."
        )
    structures = fit.attributes.structures if fit.attributes else ()
    formula = parse_formula(fit.formula, random_required=not structures)
    columns = list(dict.fromkeys([*formula.columns, *(name for part in structures for name in part.columns)]))
    n_rows = len(fit.rows) + fit.n_dropped
    if len(data) != n_rows or not set(columns) <= set(data.columns):
        raise ModelError(
            f"write_prepared: the frame ({len(data)} rows) is not the one of the fit ({n_rows} rows, columns "
            f"{', '.join(columns)}). Give the frame that fit_mixed was given."
        )
    used = data[columns].iloc[fit.rows]
    response = formula.response
    if response in used and not np.array_equal(used[response].to_numpy(dtype=float), fit.design.y):
        raise ModelError(
            f"write_prepared: the values of '{response}' are not those of the fit. "
            "Give the frame that fit_mixed was given."
        )
    flags = [name for name in used if is_bool_dtype(used[name].dtype)]
    used.astype(dict.fromkeys(flags, int)).to_csv(target, index=False)
    return target


def _quote(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _factors(design: Design) -> list[str]:
    """Lines that give each factor its levels, the reference level first."""
    levels = design.coding.levels if design.coding else {}
    return [
        f"data${name} <- factor(data${name}, levels = c({', '.join(map(_quote, found))}))"
        for name, found in sorted(levels.items())
    ]


def _lme4(formula: Formula, model: Model) -> list[str]:
    terms = [_translate(formula.fixed)]
    for term in formula.random:
        if not term.correlated:
            _refuse_factor(term.expression, model.design)
        terms.append(f"({_translate(term.expression)} {'|' if term.correlated else '||'} {term.name})")
    reml = "TRUE" if model.criterion == "REML" else "FALSE"
    ddf = DDF.get(model.df_method)
    return [
        "library(lmerTest)",
        f"fit <- lmer({_translate(formula.response)} ~ {' + '.join(terms)},",
        f"            data = data, REML = {reml},",
        f"            control = {LME4_CONTROL})",
        f'summary(fit, ddf = "{ddf}")' if ddf else "summary(fit)",
    ]


def _refuse_factor(expression: str, design: Design) -> None:
    factors = sorted(set(_NAME.findall(expression)) & {*(design.coding.levels if design.coding else {}), "C"})
    if factors:
        raise ModelError(
            f"to_r: '||' with a factor ({', '.join(factors)}) gives every level a variance of its own here, and in "
            "lme4 it does not. Make 0/1 columns of it first."
        )


def _translate(expression: str) -> str:
    """Spell an expression in R: `**` as `^`, and functions that R has otherwise by their definition."""
    if re.search(r"\bbs \(", expression):
        raise ModelError("to_r: bs() has other columns in R. Compute the columns of the spline first.")
    text = expression.replace("**", "^")
    for name, definition in CALLS.items():
        start = re.search(rf"\b{name} \(", text)
        while start:
            end = _closing(text, start.end())
            text = text[: start.start()] + definition.format(text[start.end() : end].strip()) + text[end + 1 :]
            start = re.search(rf"\b{name} \(", text)
    text = re.sub(r"\b(\w+) \( ", r"\1(", re.sub(r" ([,)])", r"\1", re.sub(r" \(", " (", text)))
    return re.sub(r"\b(log|exp|sqrt|poly|I) \(", r"\1(", text).replace("( ", "(")


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    return len(text)


def _nlme(formula: Formula, model: Model) -> list[str]:
    fixed = f"{_translate(formula.response)} ~ {_translate(formula.fixed)}"
    columns, path, random = _groups(formula)
    prepared, parts = _residuals(model.structures, path, whole_times=model.whole_times)
    call, control = ("lme", "lmeControl") if random else ("gls", "glsControl")
    lines = [f"fit <- {call}({fixed}, data = data,"]
    lines += [f"           random = {random},"] if random else []
    lines += [f"           {part}," for part in parts]
    lines += [f'           method = "{model.criterion}",', f"           control = {control}{NLME_CONTROL})"]
    return ["library(nlme)", *columns, *prepared, *lines, "summary(fit)"]


def _groups(formula: Formula) -> tuple[list[str], list[str], str]:
    """Lines for combined groups, their names the coarsest first, and nlme's list of random terms."""
    terms: dict[tuple[str, ...], list[str]] = {}
    for term in formula.random:
        kind = "pdSymm" if term.correlated else "pdDiag"
        terms.setdefault(term.group, []).append(f"{kind}(~ {_translate(term.expression)})")
    lines, names, random = [], [], []
    for group, blocks in terms.items():
        name = ".".join(group)
        if len(group) > 1:
            lines.append(f"data${name} <- interaction({', '.join(f'data${column}' for column in group)}, drop = TRUE)")
        names.append(name)
        together = f"pdBlocked(list({', '.join(blocks)}))"
        random.append(f"{name} = {blocks[0] if len(blocks) == 1 else together}")
    return lines, names, f"list({', '.join(random)})" if random else ""


def _residuals(structures: tuple[Structure, ...], path: list[str], *, whole_times: bool) -> tuple[list[str], list[str]]:
    """Lines that make the series, and nlme's `correlation` and `weights`."""
    lines, weights, correlations = [], [], []
    for part in structures:
        if isinstance(part, ByGroup):
            weights.append(f"varIdent(form = ~ 1 | {part.column})")
            continue
        by = [part.by] if isinstance(part.by, str) else list(part.by)
        lines.append(f"data$series <- interaction({', '.join(f'data${name}' for name in by)}, drop = TRUE)")
        within = "/".join([*path, "series"])
        if isinstance(part, AR1):
            correlations.append(f"{'corAR1' if whole_times else 'corCAR1'}(form = ~ {part.time} | {within})")
        elif isinstance(part, SameSession):
            correlations.append(f"corCompSymm(form = ~ 1 | {within})")
            weights.append(f"varIdent(form = ~ 1 | {part.rater})")
        elif isinstance(part, Unstructured):
            lines.append(f"data$position <- as.integer(factor(data${part.visit}))")
            correlations.append(f"corSymm(form = ~ position | {within})")
            weights.append(f"varIdent(form = ~ 1 | {part.visit})")
    if len(correlations) > 1:
        raise ModelError("to_r: nlme has no structure for two correlations at once. Leave one out to compare.")
    parts = [f"correlation = {text}" for text in correlations]
    if weights:
        together = f"varComb({', '.join(weights)})"
        parts.append(f"weights = {weights[0] if len(weights) == 1 else together}")
    return lines, parts
