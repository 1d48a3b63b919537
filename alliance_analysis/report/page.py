"""The notebook's hand on its report: every headline, figure, table and estimate reaches the page through here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from alliance_analysis.errors import ReportError
from alliance_analysis.report.arranged import Table
from alliance_analysis.report.figures import figure_html, set_figure_style
from alliance_analysis.report.formats import format_fixed, format_value
from alliance_analysis.report.methods import method_entry
from alliance_analysis.report.records import (
    Fit,
    basis_note,
    check_terms,
    counts,
    is_primary,
    variance_rows,
    withheld_reasons,
)
from alliance_analysis.report.results import (
    ANSWERED,
    HEADLINE_STATUSES,
    METHODS,
    MIME,
    TABLES,
    WITHHELD,
    csv_text,
    rows,
)
from alliance_analysis.report.tables import arrange_table, render_html, with_index
from alliance_analysis.report.verdicts import (
    CAPTION,
    CRITERIA_CAPTION,
    CRITERIA_NOTE,
    arrange_criteria,
    arrange_verdicts,
)
from alliance_analysis.study.studyfile import Study, load_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = ["term", "level", "estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "standardised"]
_CHECK_COLUMNS = ("check", "value", "limit", "status", "why", "what_to_do")
_CHECK_STATUSES = ("green", "amber", "red")
_VERDICT_COLUMNS = ("finding_id", "citation", "verdict", "reason")


class Headline(Protocol):
    """The answer in one sentence, and whether it may be given."""

    @property
    def sentence(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


Show = Callable[[str, Mapping[str, Any] | None], None]
_TableAndCsv = tuple[Table, str]  # a formatted table, and its raw values as csv


def display_in_notebook(html: str, data: Mapping[str, Any] | None) -> None:
    """Show HTML in the running notebook, with what the runner is to collect beside it."""
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

    def headline(self, headline: Headline, *, part: str | None = None, changes: str | None = None) -> None:
        """Show the answer in one sentence; the page repeats it under its title.

        Parameters
        ----------
        headline : object with sentence, status ("answered", "caution" or "withheld") and reason
        part : str, optional
            Names the part of a question that has several.
        changes : str, optional
            What would change the answer: the same quantity under other choices. Left out where the answer is withheld.

        Raises
        ------
        ReportError
            On an unknown status, an empty sentence, or a caution or withheld headline without a reason.
        """
        _check_headline(headline)
        entry = {"part": part, "sentence": headline.sentence, "status": headline.status, "reason": headline.reason,
                 "changes": changes if headline.status != WITHHELD else None}  # fmt: skip
        stop = "" if part and part.endswith("?") else "."
        name = f"<b>{escape(part)}{stop}</b> " if part else ""
        reason = f" {escape(headline.reason)}" if headline.reason else ""
        html = f'<p class="headline {headline.status}">{name}{escape(headline.sentence)}{reason}</p>'
        self.show(html, {"headline": [entry]})

    def text(self, paragraph: str) -> None:
        """Show one paragraph of plain text."""
        self.show(f"<p>{escape(paragraph)}</p>", None)

    def figure(self, figure: Figure, *, alt: str, caption: str, key: bool = False) -> None:
        """Show a matplotlib figure and close it.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        alt : str
            Text for readers who cannot see it, with the numbers; required.
        caption : str
            Required.
        key : bool
            The one figure of the answer: the page shows it under its title.

        Raises
        ------
        ReportError
            When `alt` or `caption` is empty.
        """
        label = "Key figure" if key else f"Figure {next(self._figures)}"
        html = figure_html(figure, alt=alt, caption=caption, label=label, simulated=self.study.simulated, key=key)
        self.show(html, None)

    def table(
        self,
        frame: pd.DataFrame,
        *,
        caption: str,
        note: str | None = None,
        digits: int | Mapping[str, int] = 2,
        empty: str = "none",
    ) -> None:
        """Show a frame as a table with a caption; numbers are rounded here and nowhere before.

        The runner puts the table into `tables.docx` and its values in full into a csv.

        Parameters
        ----------
        frame : pandas.DataFrame
            Group-level or model-level rows, never a client's.
        caption : str
            Required.
        note : str, optional
            A line under the table.
        digits : int or mapping of column name to int
        empty : str
            Said in place of the grid when the frame has no row.

        Raises
        ------
        ReportError
            When the caption is empty or the frame has no column.
        """
        self._show_tables([self._table(frame, caption, note, digits, empty)])

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
        values = [_format_like(*pair) for pair in zip(shown["value"], shown["limit"], strict=True)]
        readable = shown.assign(value=values, limit=shown["limit"].map(format_value))
        table = self._table(readable, "Checks of the model and of the data it was fitted to.", raw=shown)
        self._show_tables([table], {"checks": rows(shown)})

    def verdicts(self, frame: pd.DataFrame, *, part: str | None = None) -> None:
        """Show and record how the own estimates stand beside the published ones (`judge_replication`).

        A second table gives every criterion for the figures that compare; without any, it is left out.

        Parameters
        ----------
        frame : DataFrame
        part : str, optional
            Names the part of the question in the captions, where there are several.

        Raises
        ------
        ReportError
            When `finding_id`, `citation`, `verdict` or `reason` is missing.
        """
        _require_columns("verdicts", frame, _VERDICT_COLUMNS)
        shown, note = arrange_verdicts(frame)
        tables = [self._table(shown, _of_part(part, CAPTION), note, raw=frame)]
        criteria = arrange_criteria(frame)
        if len(criteria):
            compared = frame[frame.index.isin(criteria.index)]
            tables.append(self._table(criteria, _of_part(part, CRITERIA_CAPTION), CRITERIA_NOTE, raw=compared))
        self._show_tables(tables, {"verdicts": rows(frame)})

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
        check_terms(model, tidy, levels, standardised, primary)
        withheld = withheld_reasons(fit, glance, tidy)
        kept = tidy.loc[~tidy["term"].isin(withheld)].copy()
        kept["level"] = kept["term"].map(levels or {})
        kept["standardised"] = kept["term"].map(standardised or {})
        kept["primary"] = [is_primary(term, primary, levels) for term in kept["term"]]
        entries = pd.concat([kept, variance_rows(fit, glance)], ignore_index=True).assign(model=model, group=group)
        entries = entries.assign(**counts(glance))
        reasons = [
            {"model": model, "group": group, "term": term, "reason": reason} for term, reason in withheld.items()
        ]
        name = f"{model}, {group}" if group else model
        tables = self._estimates(kept, f"Estimates of the model “{name}”{self._outcome(fit)}.", basis_note(glance))
        recorded = {"estimates": rows(entries), "withheld": reasons, METHODS: [method_entry(fit, name, glance)]}
        self._show_tables(tables, recorded, below=_withheld_html(name, withheld))

    def _estimates(self, kept: pd.DataFrame, caption: str, note: str) -> list[_TableAndCsv]:
        shown = kept[[column for column in _SHOWN if column in kept and not kept[column].isna().all()]]
        return [self._table(shown, caption, note or None, raw=kept)] if len(kept) else []

    def _outcome(self, fit: Fit) -> str:
        """Return the outcome in words, with the unit where it is a measure of the study; empty without a formula."""
        outcome = str(getattr(fit, "formula", "")).partition("~")[0].strip()
        measure = self.study.measures.get(outcome) if outcome else None
        unit = f", {measure.unit}" if measure else ""
        return f" (outcome: {outcome}{unit})" if outcome else ""

    def _table(
        self,
        frame: pd.DataFrame,
        caption: str,
        note: str | None = None,
        digits: int | Mapping[str, int] = 2,
        empty: str = "none",
        *,
        raw: pd.DataFrame | None = None,
    ) -> _TableAndCsv:
        """Return a table with its csv: of `raw` where what is shown has been made text before."""
        if not caption.strip():
            raise ReportError(f"table: caption is {caption!r}; a text is required. Say what the table shows.")
        if not len(frame.columns):
            raise ReportError("table: the frame has 0 columns; 1 or more are required. Choose the columns to show.")
        table = arrange_table(
            frame, caption=caption, number=next(self._tables), note=note, digits=digits, conf_level=self.conf_level,
            empty=empty,
        )  # fmt: skip
        return table, csv_text(with_index(frame) if raw is None else raw)

    def _show_tables(
        self, tables: Sequence[_TableAndCsv], data: Mapping[str, Any] | None = None, *, below: str = ""
    ) -> None:
        """Show tables under each other and record what the Word file and the csv files need of them."""
        html = "".join(render_html(table) for table, _ in tables) + below
        records = [asdict(table) | {"csv": csv} for table, csv in tables]
        self.show(html, {**(data or {}), TABLES: records})


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


def _of_part(part: str | None, caption: str) -> str:
    return f"{part}: {caption[:1].lower()}{caption[1:]}" if part else caption


def _format_like(value: Any, limit: Any) -> str:
    """Format a checked value as its limit is: beside a limit with decimals, a zero has decimals too."""
    has_decimals = isinstance(limit, float) and not limit.is_integer() and isinstance(value, int | float)
    return format_fixed(value) if has_decimals and not isinstance(value, bool) else format_value(value)


def _withheld_html(name: str, withheld: Mapping[str, str]) -> str:
    terms: dict[str, list[str]] = {}
    for term, reason in withheld.items():
        terms.setdefault(reason, []).append(term)
    items = "".join(f"<li><b>{escape(', '.join(of))}</b>: {escape(reason)}.</li>" for reason, of in terms.items())
    return f'<div class="withheld"><p>Withheld (model “{escape(name)}”):</p><ul>{items}</ul></div>' if items else ""


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
