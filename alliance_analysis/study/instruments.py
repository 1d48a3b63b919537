"""What is known of the field's questionnaires: structure, direction and limits, each with how well it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import nearest

Confidence = Literal["table", "passage", "abstract", "secondary", "domain"]


@dataclass(frozen=True)
class Figure:
    """One thing known of an instrument.

    Attributes
    ----------
    name : str
        What it is: an attribute of `Instrument`.
    value : object
        Its value.
    confidence : str
        How well it is known.
    source : str
        Where it was read.
    """

    name: str
    value: object
    confidence: Confidence
    source: str


@dataclass(frozen=True)
class Instrument:
    """One questionnaire, without its wording; what is unknown is None.

    Attributes
    ----------
    name, title : str
        The short name a study file uses, and the full one.
    family : str
        Instruments of one family measure the same thing for different raters or in different lengths.
    n_items : int or None
        Number of items.
    item_low, item_high : float or None
        Lowest and highest answer to one item.
    higher_is_worse : bool
        Direction of the score.
    score : {"mean", "sum"}
        How the field scores it, unless the study file says otherwise.
    reverse : tuple of int or None
        Items, counted from 1, that are reversed before scoring; None: unknown, the study file may state them.
    subscales : mapping of str to tuple of int
        Item numbers of each subscale; empty when unknown.
    recall_days : int or None
        How many days back the questions ask.
    cut_off : float or None
        Limit between the clinical and the general population, in units of the score.
    cut_off_note : str
        How the source words the limit.
    reliable_change : float or None
        Change in score points that is more than measurement error.
    confidence : str
        "table", "passage", "abstract", "secondary", or "domain": as every user of the field knows it, not re-read.
    source : str
        Where it was read.
    sources : mapping of str to (confidence, source)
        Figures that were read elsewhere: attribute -> how well it is known, and where it was read.
    """

    name: str
    title: str
    family: str
    n_items: int | None
    item_low: float | None
    item_high: float | None
    higher_is_worse: bool
    score: Literal["mean", "sum"]
    reverse: tuple[int, ...] | None = None
    subscales: MappingProxyType[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    recall_days: int | None = None
    cut_off: float | None = None
    cut_off_note: str = ""
    reliable_change: float | None = None
    confidence: Confidence = "domain"
    source: str = "domain knowledge, not re-read in a source"
    sources: MappingProxyType[str, tuple[Confidence, str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What is known, figure by figure, each with how well it is known; what is unknown is left out."""
        values: dict[str, object] = {
            "n_items": self.n_items,
            "item_range": None if self.item_low is None else f"{self.item_low:g} to {self.item_high:g}",
            "score": self.score,
            "higher_is_worse": self.higher_is_worse,
            "reverse": self.reverse,
            "recall_days": self.recall_days,
            "cut_off": self.cut_off,
            "reliable_change": self.reliable_change,
        }
        values |= {f"subscale {name}": numbers for name, numbers in self.subscales.items()}
        return tuple(
            Figure(name, value, *self.sources.get(name.split()[0], (self.confidence, self.source)))
            for name, value in values.items()
            if value is not None
        )

    def score_range(self, score: str, n_items: int | None = None) -> tuple[float, float] | None:
        """Return lowest and highest possible score, or None when the structure is not known well enough."""
        if self.item_low is None or self.item_high is None:
            return None
        if score == "mean":
            return self.item_low, self.item_high
        items = n_items or self.n_items
        return None if items is None else (self.item_low * items, self.item_high * items)


_DOMAIN: tuple[Confidence, str] = ("domain", "domain knowledge, not re-read in a source")
_IAPT = "IAPT rule, trial record NCT05134103"


def _structure(*others: str) -> MappingProxyType[str, tuple[Confidence, str]]:
    """Return the source of a structure that every user of the field knows, beside figures read elsewhere."""
    names = ("n_items", "item_range", "score", "higher_is_worse", "reverse", "recall_days", *others)
    return MappingProxyType(dict.fromkeys(names, _DOMAIN))


# fmt: off
_ALL = (
    Instrument(
        "WAI-SR", "Working Alliance Inventory, short form revised", "WAI", 12, 1, 5, False, "mean",
        reverse=(),
        subscales=MappingProxyType({"goal": (4, 6, 8, 11), "task": (1, 2, 10, 12), "bond": (3, 5, 7, 9)}),
        source="Hatcher & Gillaspy 2006, item key as the field knows it, not re-read",
    ),
    Instrument(
        "WAI-S", "Working Alliance Inventory, short form", "WAI", 12, 1, 7, False, "mean", confidence="secondary",
        source="hiboop.com scoring guide to Tracey & Kokotovic 1989: 12 items, 1 to 7, sum 12 to 84",
    ),
    Instrument("WAI-SRT", "Working Alliance Inventory, short form, therapist", "WAI", None, 1, 5, False, "mean"),
    Instrument(
        "HAq-II", "Helping Alliance Questionnaire II", "HAq", 19, 1, 6, False, "mean",
        reverse=(4, 8, 11, 16, 19), confidence="abstract",
        source="Luborsky et al. 1996 (number and direction of items)",
        sources=MappingProxyType({"item_range": ("secondary", "as printed by Chen"), "score": _DOMAIN}),
    ),
    Instrument(
        "ARM", "Agnew Relationship Measure", "ARM", 28, 1, 7, False, "mean",
        source="number of items and answers: domain; Agnew-Davies et al. 1998 seen as abstract (five scales)",
    ),
    Instrument(
        "SRS", "Session Rating Scale", "SRS", 4, 0, 10, False, "sum", reverse=(), cut_off=36, cut_off_note="cut-off 36",
    ),
    Instrument(
        "PHQ-9", "Patient Health Questionnaire, depression", "PHQ", 9, 0, 3, True, "sum", reverse=(), recall_days=14,
        cut_off=10, cut_off_note="caseness above 9", reliable_change=6, confidence="secondary", source=_IAPT,
        sources=_structure(),
    ),
    Instrument(
        "GAD-7", "Generalised Anxiety Disorder scale", "GAD", 7, 0, 3, True, "sum", reverse=(),
        cut_off=8, cut_off_note="caseness above 7", reliable_change=4, confidence="secondary", source=_IAPT,
        sources=_structure(),
    ),
    Instrument("BAI", "Beck Anxiety Inventory", "BAI", 21, 0, 3, True, "sum", reverse=()),
    Instrument("BDI-II", "Beck Depression Inventory II", "BDI", 21, 0, 3, True, "sum", reverse=()),
    Instrument(
        "OQ-45", "Outcome Questionnaire", "OQ", 45, 0, 4, True, "sum", cut_off=64, cut_off_note="cut-off 63/64",
        reliable_change=14,
    ),
    Instrument(
        "CORE-OM", "Clinical Outcomes in Routine Evaluation", "CORE", 34, 0, 4, True, "mean",
        cut_off=0.99, cut_off_note="cut-off 9.9 on the mean times 10", confidence="abstract",
        source="Connell et al. 2007", sources=_structure(),
    ),
    Instrument(
        "CORE-10", "Clinical Outcomes in Routine Evaluation, ten items", "CORE", 10, 0, 4, True, "sum",
        cut_off=11, cut_off_note="cut-off 11", reliable_change=6, confidence="secondary",
        source="Barkham et al. 2013 summary page",
        sources=MappingProxyType(dict.fromkeys(("cut_off", "reliable_change", "higher_is_worse"), _DOMAIN)),
    ),
    Instrument("SWLS", "Satisfaction With Life Scale", "SWLS", 5, 1, 7, False, "sum", reverse=()),
    Instrument(
        "ORS", "Outcome Rating Scale", "ORS", 4, 0, 10, False, "sum", reverse=(), cut_off=25, cut_off_note="cut-off 25",
        reliable_change=5,
    ),
    Instrument(
        "RRI", "Real Relationship Inventory", "RRI", 24, 1, 5, False, "mean", confidence="abstract",
        source="Gelso et al. 2005, 10.1037/0022-0167.52.4.640 (24 items, two scales)",
        sources=MappingProxyType({"item_range": _DOMAIN, "higher_is_worse": _DOMAIN, "score": _DOMAIN}),
    ),
    Instrument("BSI", "Brief Symptom Inventory", "BSI", 53, 0, 4, True, "mean", reverse=()),
)
# fmt: on

INSTRUMENTS: MappingProxyType[str, Instrument] = MappingProxyType({one.name: one for one in _ALL})


def find_instrument(name: str) -> Instrument:
    """Return what is known of an instrument; upper and lower case and spaces do not matter.

    Parameters
    ----------
    name : str
        Short name, for example "WAI-SR".

    Raises
    ------
    DataError
        When the name is not in the list; the message has the nearest names.

    Examples
    --------
    >>> find_instrument("phq-9").score_range("sum")
    (0, 27)
    """
    wanted = name.replace(" ", "").casefold()
    for known, instrument in INSTRUMENTS.items():
        if known.casefold() == wanted:
            return instrument
    raise DataError(f"instrument {name!r} is not known{nearest(name, INSTRUMENTS)}.")
