"""The notebook's hand on its report: every headline, figure, table and estimate reaches the page through here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from alliance_analysis.errors import ReportError
from alliance_analysis.report.figures import figure_html, set_figure_style
from alliance_analysis.report.formats import format_interval, format_number, format_value
from alliance_analysis.report.results import ANSWERED, HEADLINE_STATUSES, MIME, rows
from alliance_analysis.report.tables import table_html
from alliance_analysis.study.studyfile import Study, load_study
from alliance_analysis.study.vocabulary import LEVEL_VARIANCE, LEVELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = ["term", "level", "estimate", "std_error", "df", "p_value", "conf_low", "conf_high"]
_CHECK_COLUMNS = ("check", "value", "limit", "status", "why", "what_to_do")
_CHECK_STATUSES = ("green", "amber", "red")
_VERDICT_COLUMNS = ("finding_id", "citation", "verdict", "reason")
_VERDICTS_CAPTION = "Own estimate beside published findings, each comparable only at the same level and metric."
_VERDICTS_NOTE = (
    "Published figures as printed, with how they were verified. The own estimate and the interval expected for a new "
    "study of this size are coded so that positive is good for the client, and are given only where figures compare."
)
_NOT_CONVERGED = "the model did not converge, so nothing is reported from it"
# results.json speaks of sessions, clients and therapists; a fit only knows its grouping factors
_COUNTS = {
    "n_sessions": ("n_obs",),
    "n_clients": ("n_client", "n_therapist:client"),
    "n_therapists": ("n_therapist",),
}


class Headline(Protocol):
    """The answer in one sentence, and whether it may be given."""

    @property
    def sentence(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


class Fit(Protocol):
    """What a fitted model hands to a report; `withheld` and `variance_components()` are optional."""

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame: ...
    def glance(self) -> pd.DataFrame: ...


Show = Callable[[str, Mapping[str, Any] | None], None]


def display_in_notebook(html: str, data: Mapping[str, Any] | None) -> None:
    """Show HTML in the running notebook, with what is recorded for `results.json` beside it."""
    from IPython.display import display

    display({"text/html": html} | ({MIME: dict(data)} if data is not None else {}), raw=True)


@dataclass(frozen=True)
class Report:
    """The report of one question on one study; `open_report` makes it.

    Attributes
    ----------
    number : str
        The question's number, such as "02".
    study : Study
        The loaded study.
    conf_level : float
        Level of every interval shown and recorded.
    """

    number: str
    study: Study
    conf_level: float = 0.95
    show: Show = field(default=display_in_notebook, repr=False)
    _figures: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    _tables: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def headline(self, headline: Headline, *, part: str | None = None) -> None:
        """Show the answer in one sentence; the page repeats it under its title.

        Parameters
        ----------
        headline : object with sentence, status ("answered", "caution" or "withheld") and reason
        part : str, optional
            Names the part of a question that has several.

        Raises
        ------
        ReportError
            On an unknown status, an empty sentence, or a caution or withheld headline without a reason.
        """
        _check_headline(headline)
        entry = {"part": part, "sentence": headline.sentence, "status": headline.status, "reason": headline.reason}
        name = f"<b>{escape(part)}.</b> " if part else ""
        reason = f" {escape(headline.reason)}" if headline.reason else ""
        html = f'<p class="headline {headline.status}">{name}{escape(headline.sentence)}{reason}</p>'
        self.show(html, {"headline": [entry]})

    def text(self, paragraph: str) -> None:
        """Show one paragraph of plain text."""
        self.show(f"<p>{escape(paragraph)}</p>", None)

    def figure(self, figure: Figure, *, alt: str, caption: str) -> None:
        """Show a matplotlib figure and close it.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        alt : str
            Text for readers who cannot see it, with the numbers; required.
        caption : str
            Required.

        Raises
        ------
        ReportError
            When `alt` or `caption` is empty.
        """
        label = f"Figure {next(self._figures)}"
        self.show(figure_html(figure, alt=alt, caption=caption, label=label, simulated=self.study.simulated), None)

    def table(
        self, frame: pd.DataFrame, *, caption: str, note: str | None = None, digits: int | Mapping[str, int] = 2
    ) -> None:
        """Show a frame as a table with a caption; numbers are rounded here and nowhere before.

        Parameters
        ----------
        frame : pandas.DataFrame
            Group-level or model-level rows, never a client's.
        caption : str
            Required.
        note : str, optional
            A line under the table.
        digits : int or mapping of column name to int

        Raises
        ------
        ReportError
            When the caption is empty or the frame has no column.
        """
        self.show(self._table(frame, caption, note, digits), None)

    def checks(self, frame: pd.DataFrame) -> None:
        """Show and record the table of checks: `check value limit status why what_to_do`, status green, amber or red.

        Raises
        ------
        ReportError
            On a missing column or an unknown status.
        """
        _require_columns("checks", frame, _CHECK_COLUMNS)
        unknown = sorted(set(frame["status"].astype(str)) - set(_CHECK_STATUSES))
        if unknown:
            raise ReportError(f"checks: status is {unknown[0]!r}; allowed are green, amber, red. Correct it.")
        shown = frame.loc[:, list(_CHECK_COLUMNS)]
        readable = shown.assign(**{name: shown[name].map(format_value) for name in ("value", "limit")})
        html = self._table(readable, "Checks of the model and of the data it was fitted to.", None, 2)
        self.show(html, {"checks": rows(shown)})

    def verdicts(self, frame: pd.DataFrame) -> None:
        """Show and record how the own estimates stand beside the published ones (`judge_replication`).

        Raises
        ------
        ReportError
            When `finding_id`, `citation`, `verdict` or `reason` is missing.
        """
        _require_columns("verdicts", frame, _VERDICT_COLUMNS)
        html = self._table(_readable_verdicts(frame), _VERDICTS_CAPTION, _VERDICTS_NOTE, 2)
        self.show(html, {"verdicts": rows(frame)})

    def record(
        self,
        fit: Fit,
        *,
        model: str,
        levels: Mapping[str, str] | None = None,
        primary: bool | str = False,
        standardised: Mapping[str, float] | None = None,
        group: str = "",
    ) -> None:
        """Show a fit's estimates and put them into `results.json`; what the fit withholds is named, never numbered.

        Parameters
        ----------
        fit : object with tidy(conf_level) and glance()
            `fit.withheld` (term -> reason) is honoured; from a fit that did not converge nothing is recorded.
        model : str
            The model's name, unique in this report.
        levels : mapping, optional
            term -> "within", "between", "between_client", "between_therapist" or "variance".
        primary : bool or str
            The term that is the primary estimand; True stands for all terms in `levels` (for all, without `levels`).
        standardised : mapping, optional
            term -> estimate in the standardised metric of its level.
        group : str
            Tells apart fits of one model to several groups.

        Raises
        ------
        ReportError
            On a term in `levels`, `standardised` or `primary` that the fit does not have, or an unknown level.
        """
        tidy, glance = fit.tidy(conf_level=self.conf_level), fit.glance()
        _check_terms(model, tidy, levels, standardised, primary)
        withheld = _withheld(fit, glance, tidy)
        kept = tidy.loc[~tidy["term"].isin(withheld)].copy()
        kept["level"] = kept["term"].map(levels or {})
        kept["standardised"] = kept["term"].map(standardised or {})
        kept["primary"] = [_is_primary(term, primary, levels) for term in kept["term"]]
        entries = pd.concat([kept, _variances(fit, glance)], ignore_index=True).assign(model=model, group=group)
        entries = entries.assign(**_counts(glance))
        reasons = [
            {"model": model, "group": group, "term": term, "reason": reason} for term, reason in withheld.items()
        ]
        self.show(self._estimates(kept, model, group, withheld), {"estimates": rows(entries), "withheld": reasons})

    def _estimates(self, kept: pd.DataFrame, model: str, group: str, withheld: Mapping[str, str]) -> str:
        name = f"{model}, {group}" if group else model
        shown = kept[[column for column in _SHOWN if column in kept and not kept[column].isna().all()]]
        table = self._table(shown, f"Estimates of the model “{name}”.", None, 2) if len(kept) else ""
        reasons: dict[str, list[str]] = {}
        for term, reason in withheld.items():
            reasons.setdefault(reason, []).append(term)
        items = "".join(
            f"<li><b>{escape(', '.join(terms))}</b>: {escape(reason)}.</li>" for reason, terms in reasons.items()
        )
        return table + (
            f'<div class="withheld"><p>Withheld (model “{escape(name)}”):</p><ul>{items}</ul></div>' if items else ""
        )

    def _table(self, frame: pd.DataFrame, caption: str, note: str | None, digits: int | Mapping[str, int]) -> str:
        if not caption.strip():
            raise ReportError(f"table: caption is {caption!r}; a text is required. Say what the table shows.")
        if not len(frame.columns):
            raise ReportError("table: the frame has 0 columns; 1 or more are required. Choose the columns to show.")
        label = f"Table {next(self._tables)}"
        return table_html(frame, caption=caption, label=label, note=note, digits=digits, conf_level=self.conf_level)


def open_report(number: str, study: str, *, conf_level: float = 0.95, seed: int = 1) -> Report:
    """Load a study and open the report of one question on it; the first call of every notebook.

    Parameters
    ----------
    number : str
        Two digits, as in the notebook's file name.
    study : str
        A registered name ("example") or the path of a study.yml.
    conf_level : float
        Between 0 and 1.
    seed : int
        Seeds numpy's global generator, which some plots use for jitter and bands; models take `seed=` themselves.

    Returns
    -------
    Report

    Raises
    ------
    ReportError
        On a wrong number, level or seed.
    DataError
        When the study cannot be used.
    """
    if not (isinstance(number, str) and len(number) == 2 and number.isdigit()):
        raise ReportError(f"open_report: number is {number!r}; two digits are required, such as '02'. Correct it.")
    if not 0 < conf_level < 1:
        raise ReportError(f"conf_level: {conf_level!r} is not between 0 and 1; 0.95 is usual. Correct it.")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ReportError(f"seed: {seed!r} is not a whole number from 0 to 4294967295. Correct it.")
    # seaborn's jitter and bands draw from the global generator; nothing else reaches it
    np.random.seed(seed)  # noqa: NPY002
    set_figure_style()
    return Report(number, load_study(study), conf_level)


def _readable_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns a reader needs, each estimate and its interval in one cell."""
    shown = frame[[name for name in ("citation", "confidence") if name in frame]].copy()
    for name, estimate in (("published", True), ("own", True), ("expected", False)):
        if f"{name}_low" in frame:
            limits = map(format_interval, frame[f"{name}_low"], frame[f"{name}_high"])
            values = map(format_number, frame[name]) if estimate else itertools.repeat("")
            shown[name] = [f"{value} {interval}".strip() for value, interval in zip(values, limits, strict=False)]
    return shown.replace("– –", "–").assign(verdict=frame["verdict"], reason=frame["reason"])


def _check_headline(headline: Headline) -> None:
    if headline.status not in HEADLINE_STATUSES:
        allowed = ", ".join(HEADLINE_STATUSES)
        raise ReportError(f"headline: status is {headline.status!r}; allowed are {allowed}. Correct it.")
    if not headline.sentence.strip():
        raise ReportError("headline: the sentence is empty; one plain sentence is required. Write it.")
    if headline.status != ANSWERED and not headline.reason:
        raise ReportError(
            f"headline: status is {headline.status!r} and there is no reason; a reason is required. Give it."
        )


def _require_columns(where: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ReportError(
            f"{where}: column {missing[0]!r} is missing; required are {', '.join(columns)}. Add it to the frame."
        )


def _check_terms(
    model: str,
    tidy: pd.DataFrame,
    levels: Mapping[str, str] | None,
    standardised: Mapping[str, float] | None,
    primary: bool | str,
) -> None:
    terms = list(tidy["term"])
    named = [*(levels or {}), *(standardised or {}), *([primary] if isinstance(primary, str) else [])]
    for term in named:
        if term not in terms:
            raise ReportError(f"record, model {model!r}: no term {term!r}; terms are {', '.join(terms)}. Correct it.")
    for level in (levels or {}).values():
        if level not in LEVELS:
            raise ReportError(
                f"record, model {model!r}: no level {level!r}; allowed are {', '.join(LEVELS)}. Correct it."
            )


def _withheld(fit: Fit, glance: pd.DataFrame, tidy: pd.DataFrame) -> dict[str, str]:
    if "converged" in glance and not bool(glance["converged"].iloc[0]):
        return dict.fromkeys(tidy["term"], _NOT_CONVERGED)
    reasons: Mapping[str, str] = getattr(fit, "withheld", {})
    return {term: reason.rstrip(".") for term, reason in reasons.items()}


def _is_primary(term: str, primary: bool | str, levels: Mapping[str, str] | None) -> bool:
    if isinstance(primary, str):
        return term == primary
    return primary and (levels is None or term in levels)


def _variances(fit: Fit, glance: pd.DataFrame) -> pd.DataFrame:
    """Rows for the variance components, without the grouping factor whose variance is estimated at zero."""
    components: Callable[[], pd.DataFrame] | None = getattr(fit, "variance_components", None)
    if components is None or ("converged" in glance and not bool(glance["converged"].iloc[0])):
        return pd.DataFrame()
    frame = components()
    singular = str(glance["singular_level"].iloc[0]) if "singular_level" in glance else ""
    frame = frame.loc[~frame["group"].isin(singular.split(", "))]
    names = [
        row.group + (f": {row.term}" if row.term else "") + (f" with {row.term2}" if row.term2 else "")
        for row in frame.itertuples()
    ]
    return pd.DataFrame(
        {"term": names, "estimate": frame["estimate"].to_numpy(), "level": LEVEL_VARIANCE, "primary": False}
    )


def _counts(glance: pd.DataFrame) -> dict[str, int | None]:
    return {
        name: next((int(glance[column].iloc[0]) for column in columns if column in glance), None)
        for name, columns in _COUNTS.items()
    }
