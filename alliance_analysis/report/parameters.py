"""Reads a notebook's parameters without running it, so that a mistyped or ill-typed one stops before any kernel."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alliance_analysis.errors import ReportError

STUDY = "study"
_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_WORDS = {"true": True, "false": False}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: `name: kind = default`."""

    name: str
    kind: str  # str, int, float or bool
    default: Any


def read_parameters(notebook: Mapping[str, Any], name: str) -> dict[str, Parameter]:
    """Return the parameters a notebook declares in its one cell tagged `parameters`.

    Parameters
    ----------
    notebook : nbformat notebook
    name : str
        Its file name, for messages.

    Returns
    -------
    dict of name -> Parameter

    Raises
    ------
    ReportError
        Without such a cell, with several, or when a line is not `name: type = value` with a literal value.
    """
    cells = [cell for cell in notebook["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(cells) != 1:
        raise ReportError(
            f"{name}: {len(cells)} cells are tagged 'parameters'; one is required."
            " Tag the first code cell, and only it."
        )
    try:
        lines = ast.parse(cells[0]["source"]).body
    except SyntaxError as error:
        raise ReportError(
            f"{name}: line {error.lineno} of the parameters cell is not Python; lines `name: type = value` are allowed."
            " Correct it."
        ) from error
    found = [_parameter(line, name) for line in lines]
    if STUDY not in {parameter.name for parameter in found}:
        raise ReportError(f'{name}: no parameter `study`; it is required. Add the line `study: str = "example"`.')
    return {parameter.name: parameter for parameter in found}


def _parameter(line: ast.stmt, name: str) -> Parameter:
    where = f"{name}: line {line.lineno} of the parameters cell"
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
        raise ReportError(f"{where} is `{ast.unparse(line)}`; only `name: type = value` is allowed. Correct it.")
    kind = ast.unparse(line.annotation)
    if kind not in _TYPES:
        raise ReportError(f"{where} has the type {kind!r}; allowed are {', '.join(_TYPES)}. Correct it.")
    try:
        value = ast.literal_eval(line.value)
    except ValueError as error:
        raise ReportError(
            f"{where} has the value `{ast.unparse(line.value)}`; only literals are allowed. Write the value itself."
        ) from error
    return Parameter(line.target.id, kind, coerce(value, kind, f"{where}, {line.target.id}"))


def coerce(value: Any, kind: str, where: str) -> Any:
    """Return a value, perhaps typed on a command line, as the declared type; refuse what would lose information.

    Examples
    --------
    >>> coerce("0.9", "float", "conf_level"), coerce("true", "bool", "plain"), coerce(3, "float", "x")
    (0.9, True, 3.0)
    """
    wanted = _TYPES[kind]
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and wanted is bool and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if isinstance(value, str) and wanted in (int, float):
        try:
            return wanted(value)
        except ValueError:
            pass
    allowed = "true or false" if wanted is bool else f"a value of type {kind}"
    step = "Correct the value."
    if wanted is float and isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
        step = f"Write {value.replace(',', '.')}, with a point."
    raise ReportError(f"{where}: {value!r} is not {allowed}. {step}")


def choose_values(
    declared: Mapping[str, Mapping[str, Parameter]], asked: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return every notebook's parameter values: its defaults, replaced by what was asked.

    Parameters
    ----------
    declared : mapping of question number -> name -> Parameter
    asked : mapping
        "02.conf_level" for one notebook, or "conf_level" for every notebook that has it.

    Returns
    -------
    dict of question number -> name -> value, without `study`

    Raises
    ------
    ReportError
        On an unknown notebook or parameter (with the nearest name), or a value of the wrong type.
    """
    values = {
        number: {name: item.default for name, item in parameters.items() if name != STUDY}
        for number, parameters in declared.items()
    }
    # general values first, so that one given for a single notebook wins whatever the order of typing
    for key in sorted(asked, key=lambda key: "." in key):
        for number, name in _targets(key, values):
            values[number][name] = coerce(asked[key], declared[number][name].kind, f"parameter {key}")
            _check_range(name, values[number][name], key)
    return values


def _targets(key: str, values: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    number, _, name = key.rpartition(".")
    if name == STUDY:
        raise ReportError(f"parameter {key}: the study is the same for the whole run. Give it with --study.")
    if number and number not in values:
        raise ReportError(f"parameter {key}: no notebook {number} in this run; it has {', '.join(values)}. Correct it.")
    targets = [(item, name) for item in ([number] if number else values) if name in values[item]]
    if targets:
        return targets
    known = sorted({item for chosen in ([number] if number else values) for item in values[chosen]})
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    owner = f"notebook {number} has" if number else "the notebooks of this run have"
    raise ReportError(f"parameter {key}: {owner} no parameter {name!r}; known are {', '.join(known)}.{hint}")


def _check_range(name: str, value: Any, key: str) -> None:
    if name == "conf_level" and not 0 < value < 1:
        raise ReportError(f"parameter {key}: {value!r} is not between 0 and 1; 0.95 is usual. Correct the value.")
    if name == "seed" and not 0 <= value < 2**32:
        raise ReportError(f"parameter {key}: {value!r} is not between 0 and 4294967295. Correct the value.")
