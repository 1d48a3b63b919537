"""The words for how the residuals of one client, session or group go together, and which of them go with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.formula import Formula


def column_names(by: str | Sequence[str]) -> tuple[str, ...]:
    """Read one column name or several as a tuple."""
    return (by,) if isinstance(by, str) else tuple(by)


@dataclass(frozen=True)
class AR1:
    """Serial correlation: rho ** |gap| between two rows of the same `by`, on the real gaps of `time`.

    Parameters
    ----------
    time : str
        Numeric column: session number, or days. Gaps that are no whole numbers restrict rho to (0, 1) (CAR(1)); whole
        ones allow (-1, 1).
    by : str or sequence of str
        Columns whose combination is a series, for example "client".

    References
    ----------
    Pinheiro & Bates (2000), doi:10.1007/b98882, section 5.3.

    Examples
    --------
    >>> AR1(time="session", by="client").columns
    ('session', 'client')
    """

    time: str
    by: str | Sequence[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (self.time, *column_names(self.by))


@dataclass(frozen=True)
class ByGroup:
    """A residual variance of its own for each level of a column (arm, rater, modality).

    Examples
    --------
    >>> ByGroup("modality").columns
    ('modality',)
    """

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (self.column,)


@dataclass(frozen=True)
class SameSession:
    """Residuals of two raters in the same session: a variance for each, and any correlation, negative ones included.

    Parameters
    ----------
    rater : str
        Column with two values. A session that only one of them rated is used as it is.
    by : str or sequence of str
        Columns whose combination is one session, for example ["client", "session"].

    References
    ----------
    Kenny, Kashy & Cook (2006), Dyadic data analysis, chapter 13.

    Examples
    --------
    >>> SameSession(rater="rater", by=["client", "session"]).columns
    ('rater', 'client', 'session')
    """

    rater: str
    by: str | Sequence[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (self.rater, *column_names(self.by))


@dataclass(frozen=True)
class Unstructured:
    """Any covariance of the residuals over a few visits (a mixed model for repeated measures, MMRM).

    Parameters
    ----------
    visit : str
        Column that numbers or names the visits; up to 12 different ones.
    by : str or sequence of str
        Columns whose combination is one series, for example "client".

    Examples
    --------
    >>> Unstructured(visit="visit", by="client").columns
    ('visit', 'client')
    """

    visit: str
    by: str | Sequence[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (self.visit, *column_names(self.by))


Structure = AR1 | ByGroup | SameSession | Unstructured
_KINDS = (AR1, ByGroup, SameSession, Unstructured)


def read_structures(residual: object) -> tuple[Structure, ...]:
    """Check the argument `residual` and return its parts; () for None.

    Raises
    ------
    ModelError
        For anything but the four structures, for two of a kind that exclude each other, or `Unstructured` with others.
    """
    if residual is None:
        return ()
    parts: tuple[Any, ...] = tuple(residual) if isinstance(residual, list | tuple) else (residual,)
    wrong = [part for part in parts if not isinstance(part, _KINDS)]
    if wrong or not parts:
        raise ModelError(
            "residual must be None, AR1(...), ByGroup(...), SameSession(...), Unstructured(...) or a list of them, got "
            f"{(wrong[0] if wrong else residual)!r}."
        )
    for part in parts:
        _check_names(part)
    kinds = [type(part) for part in parts]
    for kind in (AR1, SameSession, Unstructured):
        if kinds.count(kind) > 1:
            raise ModelError(f"residual: {kind.__name__} is there {kinds.count(kind)} times; one is allowed. Keep one.")
    if Unstructured in kinds and len(parts) > 1:
        raise ModelError("residual: Unstructured allows any covariance already; no other structure goes with it.")
    columns = [part.column for part in parts if isinstance(part, ByGroup)]
    columns += [part.rater for part in parts if isinstance(part, SameSession)]
    for column in columns:
        if columns.count(column) > 1:
            raise ModelError(
                f"residual: the variances by '{column}' are there {columns.count(column)} times. Keep one."
            )
    return parts


def _check_names(part: Structure) -> None:
    by = getattr(part, "by", "-")
    named = all(isinstance(getattr(part, name), str) for name in part.__dataclass_fields__ if name != "by")
    if not named or not isinstance(by, str | list | tuple) or not by or not all(isinstance(name, str) for name in by):
        raise ModelError(
            f"residual: {part!r} does not name its columns; text, and for 'by' a list of text, is allowed."
        )


def with_columns(formula: Formula, structures: tuple[Structure, ...]) -> Formula:
    """Add the structures' columns to those a formula needs: all but times must be complete, as groups are."""
    times = {part.time for part in structures if isinstance(part, AR1)}
    columns = [name for part in structures for name in part.columns]
    groups = [name for name in columns if name not in times]
    return replace(
        formula,
        columns=tuple(dict.fromkeys([*formula.columns, *columns])),
        group_columns=tuple(dict.fromkeys([*formula.group_columns, *groups])),
    )
