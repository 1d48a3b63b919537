"""Reads a mixed-model formula token by token, so that nothing outside an allow-list is ever evaluated."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.tokens import (
    MAX_LENGTH,
    REMEMBERING,
    check_tokens,
    column_tokens,
    is_name,
    summands,
    tokenise,
)

INTERCEPT = "(Intercept)"


@dataclass(frozen=True)
class RandomTerm:
    """One `(expression | group)`: the expression as text, the columns whose combination is the group."""

    expression: str
    group: tuple[str, ...]
    correlated: bool

    @property
    def name(self) -> str:
        """The group as tables show it: `therapist:client` for a client within a therapist."""
        return ":".join(self.group)


@dataclass(frozen=True)
class Formula:
    """A formula taken apart: response, fixed part, random terms, and every column it mentions."""

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    columns: tuple[str, ...]
    group_columns: tuple[str, ...]


def parse_formula(text: str, *, random_required: bool = True) -> Formula:
    """Take a formula apart and refuse whatever is not on the allow-list.

    Parameters
    ----------
    text : str
        `response ~ fixed terms + (random terms | group)`. Operators `+ - * : ** /`, the functions named in `FUNCTIONS`,
        `(1 | a/b)` for `(1 | a) + (1 | a:b)`, and `||` for random terms that do not correlate.
    random_required : bool
        Whether a formula without a random term is refused; with a residual structure it makes sense.

    Returns
    -------
    Formula
        The parts as text; no library has seen any of them yet.

    Raises
    ------
    ModelError
        For a character, call or name that is not allowed, unbalanced parentheses, no `~`, or no random term.

    Examples
    --------
    >>> parse_formula("y ~ time + (1 + time || therapist/client)").random[1].name
    'therapist:client'
    """
    if not isinstance(text, str) or not text.strip():
        raise ModelError(f"formula: {text!r} is not a formula. Write for example 'symptoms ~ time + (1 | client)'.")
    if len(text) > MAX_LENGTH:
        raise ModelError(f"formula: it has {len(text)} characters; at most {MAX_LENGTH} are read. Shorten it.")
    tokens = tokenise(text)
    check_tokens(tokens)
    if tokens.count("~") != 1 or tokens[0] == "~" or tokens[-1] == "~":
        raise ModelError("formula: one ~ must stand between outcome and terms. Write 'outcome ~ terms + (1 | group)'.")
    split = tokens.index("~")
    fixed, bars = _split_bars(tokens[split + 1 :])
    random = tuple(term for bar in bars for term in _random_terms(bar))
    if not random and random_required:
        raise ModelError("formula: it has no random term. Add one, for example '+ (1 | client)'.")
    response = tokens[:split]
    if "|" in response or "||" in response:
        raise ModelError("formula: a random term stands left of ~. Move it to the right-hand side.")
    columns = tuple(dict.fromkeys(name for part in (response, fixed, *bars) for name in column_tokens(part)))
    groups = tuple(dict.fromkeys(name for term in random for name in term.group))
    return Formula(text, " ".join(response), " ".join(fixed) or "1", random, columns, groups)


def evaluate_columns(expression: str, frame: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    """Evaluate the terms of one expression into named columns; the single door to formulae.

    Parameters
    ----------
    expression : str
        Right-hand side that `parse_formula` has let through, without bars.
    frame : pandas.DataFrame
        Complete rows of the columns the expression names.

    Returns
    -------
    names : tuple of str
        Column names, formulae's own except for `(Intercept)`.
    matrix : numpy.ndarray, shape (n, number of names)

    Raises
    ------
    ModelError
        When formulae cannot make sense of the expression.

    Examples
    --------
    >>> evaluate_columns("1 + x", pd.DataFrame({"x": [1.0, 2.0]}))[0]
    ('(Intercept)', 'x')
    """
    plain = _plain_terms(expression, frame)
    if plain is not None:
        return plain
    try:
        # formulae prints before it raises, and its own words name its classes, not the user's term.
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            common = _common_terms(expression, frame)
    except Exception as error:
        message = f"formula: '{expression}' cannot be evaluated ({error}). Check its terms one by one."
        raise ModelError(message) from error
    if common is None:
        return (), np.empty((len(frame), 0))
    names = tuple(label for term in common.terms.values() for label in _labels(term))
    matrix = np.asarray(common.design_matrix, dtype=float).reshape(len(frame), -1)
    if len(names) != matrix.shape[1]:  # so it is for factor / x: a column too few
        raise ModelError(f"formula: '{expression}' has no clear columns. Write each term, as in 'a + a:b' for 'a / b'.")
    return names, matrix


def _plain_terms(expression: str, frame: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Sums of numeric columns and their products, as formulae gives them but without its copies; None for all else."""
    found = plain_names(expression, frame)
    if found is None:
        return None
    matrix = np.empty((len(found), len(frame)))
    for row, label in zip(matrix, found, strict=True):
        first, *others = label.split(":")
        row[:] = 1.0 if label == INTERCEPT else frame[first].to_numpy()
        for name in others:
            row *= frame[name].to_numpy()
    return found, matrix.T


def plain_names(expression: str, frame: pd.DataFrame) -> tuple[str, ...] | None:
    """Names of the columns that a sum of numeric columns and their products gives; None for any other expression."""
    terms = [term.split(":") for term in "".join(tokenise(expression)).split("+")]
    intercept = terms[0] != ["0"]
    if terms[0][0] in ("0", "1"):
        terms = terms[1:]
    known = all(name in frame and is_numeric_dtype(frame[name].dtype) for term in terms for name in term)
    sizes = [len(term) for term in terms]
    repeated = len({frozenset(term) for term in terms}) < len(terms) or any(len(set(t)) < len(t) for t in terms)
    # formulae sorts the terms by the number of their factors.
    if not known or repeated or sizes != sorted(sizes) or not (intercept or terms):
        return None
    return (INTERCEPT,) * intercept + tuple(map(":".join, terms))


def _common_terms(expression: str, frame: pd.DataFrame) -> Any:
    from formulae import design_matrices
    from formulae.environment import Environment

    allowed = Environment([{"log": np.log, "sqrt": np.sqrt, "exp": np.exp}])
    return design_matrices(expression, frame, na_action="error", env=allowed).common


def evaluate_new_columns(expression: str, reference: pd.DataFrame | None, new: pd.DataFrame) -> np.ndarray:
    """Evaluate an expression on new rows with what its functions learn from the reference rows: (n_new, columns).

    Parameters
    ----------
    expression : str
        As `evaluate_columns` takes it.
    reference : pandas.DataFrame or None
        Rows of the fit; None when no function of the expression remembers the data it first saw.
    new : pandas.DataFrame
        Complete rows; factors as ordered categories with the levels of the fit.

    Raises
    ------
    ModelError
        When formulae cannot evaluate the new rows.
    """
    if reference is None:
        return evaluate_columns(expression, new)[1]
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            common = _common_terms(expression, reference).evaluate_new_data(new)
    except Exception as error:
        raise ModelError(f"formula: '{expression}' cannot be evaluated on new rows ({error}). Check them.") from error
    return np.asarray(common.design_matrix, dtype=float).reshape(len(new), -1)


def remembering_columns(expression: str) -> tuple[str, ...]:
    """Name the columns inside functions that remember the data they first saw: scale, center, poly, bs, C.

    Examples
    --------
    >>> remembering_columns("time + scale(log(x)) + I(z)")
    ('x',)
    """
    inside: list[str] = []
    depth, opened = 0, None
    tokens = tokenise(expression)
    for token, after in pairwise([*tokens, ""]):
        depth += (token == "(") - (token == ")")
        if opened is None and token in REMEMBERING and after == "(":
            opened = depth
        elif opened is not None and token == ")" and depth == opened:
            opened = None
        elif opened is not None:
            inside += column_tokens([token, after])[:1] if is_name(token) else []
    return tuple(dict.fromkeys(inside))


def _labels(term: object) -> list[str]:
    if type(term).__name__ == "Intercept":
        return [INTERCEPT]
    return list(term.labels)  # type: ignore[attr-defined]


def _split_bars(tokens: list[str]) -> tuple[list[str], list[list[str]]]:
    """Cut the summands of the right-hand side into fixed ones and those of the form ( ... | group )."""
    fixed: list[list[str]] = []
    bars: list[list[str]] = []
    for sign, summand in summands(tokens):
        inner = summand[1:-1]
        if "|" not in summand and "||" not in summand:
            fixed.append([*([sign] if fixed or sign == "-" else []), *summand])
        elif sign == "+" and _is_wrapped(summand) and inner.count("|") + inner.count("||") == 1:
            bars.append(inner)
        else:
            raise ModelError(f"formula: '{' '.join(summand)}' is not a random term. Write each as '+ (terms | group)'.")
    return [token for part in fixed for token in part], bars


def _is_wrapped(tokens: list[str]) -> bool:
    """Whether the first parenthesis closes with the last token: true of (a | g), false of (a) + (b)."""
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth == 0:
            return position == len(tokens) - 1
    return False


def _random_terms(tokens: list[str]) -> list[RandomTerm]:
    bar = tokens.index("||") if "||" in tokens else tokens.index("|")
    expression, group = tokens[:bar], tokens[bar + 1 :]
    names = group[::2]
    if not expression or not group or not all(map(is_name, names)) or any(t not in (":", "/") for t in group[1::2]):
        raise ModelError(
            f"formula: '({' '.join(tokens)})' is not a random term; groups are columns joined by ':' or '/'. "
            "Write for example '(1 + time | therapist/client)'."
        )
    if len(group) != 2 * len(names) - 1:
        raise ModelError(f"formula: '({' '.join(tokens)})' ends before its group. Add the grouping column.")
    correlated = "||" not in tokens
    cuts = [i + 1 for i, sign in enumerate(group[1::2]) if sign == "/"] + [len(names)]
    return [RandomTerm(" ".join(expression), tuple(names[:cut]), correlated) for cut in cuts]
