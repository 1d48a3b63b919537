"""Reads a formula into tokens and refuses what no library may see, or what it would read otherwise than it looks."""

from __future__ import annotations

import re
from itertools import pairwise
from math import comb, prod

from alliance_analysis.errors import ModelError

FUNCTIONS = ("C", "I", "bs", "center", "exp", "log", "poly", "scale", "sqrt")
REMEMBERING = ("C", "bs", "center", "poly", "scale")  # their columns depend on all the rows they first saw
SEVERAL = ("bs", "poly")  # functions with more than one argument
KEYWORDS = ("degree", "df")  # the only named arguments: bs(x, df=4, degree=3), poly(x, degree=2)
MAX_POWER = 10  # (a + b) ** n is expanded by formulae into n nested products
MAX_TERMS = 1_500  # a * b * c * ... doubles the terms with every factor
MAX_COLUMNS = 50  # of bs() and poly()
MAX_LENGTH = 2_000
MAX_DEPTH = 20

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d_]\w*)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?![\w.]))|(?P<operator>\*\*|\|\||[-+*/:~|(),=]))"
)


def tokenise(text: str) -> list[str]:
    """Cut a text into names, numbers and operators; raise ModelError for any other character."""
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            raise ModelError(
                f"formula: {rest[0]!r} is not allowed (at '{rest[:20]}'); names, numbers and + - * : / ** | ( ) , ~ "
                "are. Compute anything else as a column first."
            )
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


def is_name(token: str) -> bool:
    """Whether a token is the name of a column or function."""
    return token[0].isalpha()


def column_tokens(tokens: list[str]) -> list[str]:
    """Columns among the tokens, in their order: names that are neither called nor an argument's."""
    return [token for token, after in pairwise([*tokens, ""]) if is_name(token) and after not in ("(", "=")]


def summands(tokens: list[str]) -> list[tuple[str, list[str]]]:
    """Cut tokens at every + and - outside parentheses: (sign, tokens) of each part."""
    parts: list[tuple[str, list[str]]] = [("+", [])]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token in ("+", "-"):
            parts.append((token, []))
        else:
            parts[-1][1].append(token)
    if any(not summand for _, summand in parts[1:]):
        raise ModelError("formula: a + or - has no term after it. Add the term or take the sign away.")
    return [part for part in parts if part[1]]


def check_tokens(tokens: list[str]) -> None:
    """Refuse what may not stand in a formula, wherever it stands.

    Raises
    ------
    ModelError
        For a call or named argument that is not allowed, an operator that is missing or out of place, unbalanced
        parentheses, powers and expansions that are too large.
    """
    _check_calls(tokens)
    _check_powers(tokens)
    _check_parentheses(tokens)
    _check_operators(tokens)
    _check_arguments(tokens)
    _check_sizes(tokens)


def _check_calls(tokens: list[str]) -> None:
    calls = [a for a, b in pairwise(tokens) if is_name(a) and b == "("]
    for name in calls:
        if name not in FUNCTIONS:
            raise ModelError(
                f"formula: {name}() is not allowed; {', '.join(FUNCTIONS)} are. Compute it as a column first."
            )
    for name, sign in pairwise(tokens):
        if sign == "=" and name not in KEYWORDS:
            raise ModelError(f"formula: '{name} =' is not allowed; the named arguments are {' and '.join(KEYWORDS)}.")


def _check_powers(tokens: list[str]) -> None:
    for operator, power in pairwise(tokens):
        if operator == "**" and not (power.isdigit() and 1 <= int(power) <= MAX_POWER):
            raise ModelError(f"formula: the power '{power}' is not allowed; whole numbers from 1 to {MAX_POWER} are.")


def _check_parentheses(tokens: list[str]) -> None:
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth < 0 or depth > MAX_DEPTH:
            break
    if depth > MAX_DEPTH:
        raise ModelError(f"formula: parentheses are nested more than {MAX_DEPTH} deep. Compute a column first.")
    if depth != 0:
        raise ModelError("formula: the parentheses do not match. Close each ( with a ).")


def _check_operators(tokens: list[str]) -> None:
    """Two names side by side: formulae would leave the second one out without a word."""
    for before, after in pairwise(tokens):
        call = is_name(before) and after == "("
        if _is_operand(before, ")") and _is_operand(after, "(") and not call:
            raise ModelError(f"formula: no operator stands between '{before}' and '{after}'. Write + between terms.")


def _check_arguments(tokens: list[str]) -> None:
    """Refuse commas and numbers where formulae, or numpy, would take them for something else."""
    calls: list[str] = []
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token == "(":
            calls.append(before if before and is_name(before) else "")
        elif token == ")":
            calls.pop()
        elif token == "," and (not calls or calls[-1] not in SEVERAL):
            raise ModelError(f"formula: a comma is allowed in {' and '.join(SEVERAL)} only. Write + between terms.")
        elif token.isdigit() and not any(calls) and ({before, after} & {":", "*", "/"}):
            raise ModelError(
                f"formula: the number {token} stands beside an operator for columns. Write I(...) to compute."
            )


def _check_sizes(tokens: list[str]) -> None:
    """Refuse expressions that would make more terms or columns than any model of this kind can hold."""
    for position, name in enumerate(tokens):
        if name in ("bs", "poly"):
            inside = tokens[position : _closing(tokens, position)]
            large = [number for number in inside if number.isdigit() and int(number) > MAX_COLUMNS]
            if large:
                raise ModelError(f"formula: {name}() with {large[0]} columns; at most {MAX_COLUMNS} are allowed.")
    for _, summand in summands(tokens[tokens.index("~") + 1 :] if "~" in tokens else tokens):
        n_terms = _count_terms(summand)
        if n_terms > MAX_TERMS:
            raise ModelError(
                f"formula: '{' '.join(summand)[:60]}' stands for up to {n_terms} terms; at most {MAX_TERMS} are "
                "allowed. Name the interactions you need with ':'."
            )


def _count_terms(tokens: list[str]) -> int:
    """Upper bound on the terms of a summand: of k factors those up to the highest order that its signs allow."""
    factors = len(set(column_tokens(tokens)))
    powers = [int(power) for operator, power in pairwise(tokens) if operator == "**"]
    order = factors if "*" in tokens else min(prod(powers), factors)
    return sum(comb(factors, size) for size in range(1, order + 1))


def _closing(tokens: list[str], start: int) -> int:
    """Position of the parenthesis that closes the first one from `start` on."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position] == "(") - (tokens[position] == ")")
        if depth == 0 and tokens[position] == ")":
            return position
    return len(tokens)


def _is_operand(token: str, parenthesis: str) -> bool:
    return token == parenthesis or token[0].isalnum() or token[0] == "."
