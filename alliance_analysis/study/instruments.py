"""What is known of the field's questionnaires: structure, direction and limits, each with how well it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import nearest

Confidence = Literal["table", "passage", "abstract", "secondary", "domain"]


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

    def score_range(self, score: str, n_items: int | None = None) -> tuple[float, float] | None:
        """Return lowest and highest possible score, or None when the structure is not known well enough."""
        if self.item_low is None or self.item_high is None:
            return None
        if score == "mean":
            return self.item_low, self.item_high
        items = n_items or self.n_items
        return None if items is None else (self.item_low * items, self.item_high * items)


_IAPT = "IAPT rule, trial record NCT05134103 (secondary); structure: domain"

# fmt: off
_ALL = (
    Instrument(
        "WAI-SR", "Working Alliance Inventory, short form revised", "WAI", 12, 1, 5, False, "mean",
        reverse=(),
        subscales=MappingProxyType({"goal": (4, 6, 8, 11), "task": (1, 2, 10, 12), "bond": (3, 5, 7, 9)}),
        source="Hatcher & Gillaspy 2006, item key as the field knows it, not re-read",
    ),
    Instrument("WAI-SRT", "Working Alliance Inventory, short form, therapist", "WAI", None, 1, 5, False, "mean"),
    Instrument(
        "HAq-II", "Helping Alliance Questionnaire II", "HAq", 19, 1, 6, False, "mean",
        reverse=(4, 8, 11, 16, 19), confidence="abstract",
        source="Luborsky et al. 1996 (number and direction of items); range 1 to 6 as printed by Chen",
    ),
    Instrument(
        "SRS", "Session Rating Scale", "SRS", 4, 0, 10, False, "sum", reverse=(), cut_off=36, cut_off_note="cut-off 36",
    ),
    Instrument(
        "PHQ-9", "Patient Health Questionnaire, depression", "PHQ", 9, 0, 3, True, "sum", reverse=(), recall_days=14,
        cut_off=10, cut_off_note="caseness above 9", reliable_change=6, confidence="secondary", source=_IAPT,
    ),
    Instrument(
        "GAD-7", "Generalised Anxiety Disorder scale", "GAD", 7, 0, 3, True, "sum", reverse=(),
        cut_off=8, cut_off_note="caseness above 7", reliable_change=4, confidence="secondary", source=_IAPT,
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
        source="Connell et al. 2007 (cut-off); structure: domain",
    ),
    Instrument(
        "CORE-10", "Clinical Outcomes in Routine Evaluation, ten items", "CORE", 10, 0, 4, True, "sum",
        cut_off=11, cut_off_note="cut-off 11", reliable_change=6, confidence="secondary",
        source="Barkham et al. 2013 summary page (10 items, sum); cut-off and reliable change: domain",
    ),
    Instrument("SWLS", "Satisfaction With Life Scale", "SWLS", 5, 1, 7, False, "sum", reverse=()),
    Instrument(
        "ORS", "Outcome Rating Scale", "ORS", 4, 0, 10, False, "sum", reverse=(), cut_off=25, cut_off_note="cut-off 25",
        reliable_change=5,
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
