"""One measure of a study: what the study file says of it, completed by what is known of its instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from alliance_analysis.study.instruments import INSTRUMENTS, Instrument
from alliance_analysis.study.problems import nearest
from alliance_analysis.study.vocabulary import ALLIANCE, SUBSCALES

Complaint = tuple[str, str]  # key of the measure, what is wrong with it


@dataclass(frozen=True)
class Measure:
    """One score of a study.

    Attributes
    ----------
    name : str
        Column in the sessions or clients frame.
    instrument : str or None
        Short name of the questionnaire.
    label : str
        Name for tables and figures.
    low, high : float or None
        Lowest and highest possible score; None when unknown or without meaning (centred values).
    higher_is_worse : bool
        Direction.
    collected : {"before", "after"} or None
        Whether it is filled in before or after the session.
    recall_days : int or None
        How many days back the questions ask.
    centred : bool
        True: values without an absolute zero; no range check, no cut-offs.
    score : {"mean", "sum"}
        How items make the score.
    column : str or None
        The file's column of a score that is ready; None when it is made from items.
    items : tuple of str
        The file's columns of the items, in the instrument's order.
    reverse : tuple of str
        Those of the items that are reversed.
    min_answered : float
        Smallest share of answered items for which a score is made.
    item_low, item_high : float or None
        Lowest and highest answer to one item.
    cut_off, reliable_change : float or None
        In score points; only when the score has the instrument's own metric.
    labelled : bool
        Whether the study file states the label; such a label stands on axes instead of the instrument.
    rater : {"client", "therapist", "observer"} or None
        Whose rows hold it, where the files have one row per rating.
    shared_items : bool or None
        Whether the study file says that other raters rate the same items; None: it says nothing.
    missing : tuple of (float or str)
        Codes for a missing value in its columns only, beside the study's.
    answers : tuple of (str, float)
        Words its columns hold in place of numbers, each with its number.
    own : Instrument or None
        Its instrument, where the study file describes it.
    """

    name: str
    instrument: str | None
    label: str
    low: float | None
    high: float | None
    higher_is_worse: bool
    collected: Literal["before", "after"] | None
    recall_days: int | None
    centred: bool
    score: Literal["mean", "sum"]
    column: str | None
    items: tuple[str, ...] = ()
    reverse: tuple[str, ...] = ()
    min_answered: float = 0.75
    item_low: float | None = None
    item_high: float | None = None
    cut_off: float | None = None
    reliable_change: float | None = None
    labelled: bool = False
    rater: str | None = None
    shared_items: bool | None = None
    missing: tuple[float | str, ...] = ()
    answers: tuple[tuple[str, float], ...] = ()
    own: Instrument | None = None

    @property
    def known(self) -> Instrument | None:
        """What is known of its instrument, by the study file or by the package."""
        return self.own or INSTRUMENTS.get(self.instrument or "")

    @property
    def unit(self) -> str:
        """What an axis says: the stated label or the instrument, kind of score and range.

        Examples
        --------
        >>> Measure("burnout", None, "Burnout", 0, 6, True, None, None, False, "mean", "mbi").unit
        'Burnout (0 to 6)'
        """
        who = self.label if self.labelled else self.instrument
        head = f"{who} {self.score}" if self.instrument else self.label
        if self.centred:
            return f"{head} (centred)"
        return head if self.low is None or self.high is None else f"{head} ({self.low:g} to {self.high:g})"


def build_measure(
    name: str, instrument: str | None, stated: dict[str, Any], own: Mapping[str, Instrument] | None = None
) -> tuple[Measure, list[Complaint], list[str]]:
    """Complete what the study file states of a measure by its instrument.

    Parameters
    ----------
    name : str
        Name of the measure.
    instrument : str or None
        Instrument as written.
    stated : dict
        The other keys of the measure, None where not stated; ``range`` is "none" for an explicit null.
    own : mapping of str to Instrument, optional
        Instruments the study file describes.

    Returns
    -------
    measure, complaints, notes
        Complaints are (key, text); the measure is usable for further checks even when there are some.
    """
    known = _known(instrument, own or {})
    complaints = _complaints(name, instrument, known, stated, own or {})
    score = stated["score"] or (known.score if known else "mean")
    item_low, item_high = _item_range(known, stated)
    low, high = _score_range(name, known, stated, score)
    own_metric = known is not None and not _is_subscale(name) and _is_own_metric(known, score, low, high)
    direction = stated["higher_is_worse"]
    recall = stated["recall_days"]
    measure = Measure(
        name=name,
        instrument=known.name if known else instrument,
        label=stated["label"] or name.replace("_", " ").capitalize(),
        low=low,
        high=high,
        higher_is_worse=bool(known and known.higher_is_worse) if direction is None else direction,
        collected=stated["collected"],
        recall_days=known.recall_days if known and recall is None else recall,
        centred=stated["centred"],
        score=cast("Literal['mean', 'sum']", score),
        column=stated["column"],
        items=stated["items"],
        reverse=_reversed_items(known, stated),
        min_answered=stated["min_answered"],
        item_low=item_low,
        item_high=item_high,
        cut_off=known.cut_off if known and own_metric else None,
        reliable_change=known.reliable_change if known and own_metric else None,
        labelled=bool(stated["label"]),
        rater=stated["rater"],
        shared_items=stated["shared_items"],
        missing=stated.get("missing") or (),
        answers=stated.get("answers") or (),
        own=known if known is not None and known.name in (own or {}) else None,
    )
    notes = []
    if instrument and known is None:
        notes.append(
            f"{name}: the instrument {instrument} is unknown to the package; range and direction are as study.yml says."
        )
    return measure, complaints, notes


def subscale_measure(measure: Measure, subscale: str, items: tuple[str, ...]) -> Measure:
    """Return the measure of one subscale of a scale that is scored from items."""
    factor = len(items) if measure.score == "sum" else 1
    bounded = measure.item_low is not None and measure.item_high is not None and measure.low is not None
    return Measure(
        name=f"{measure.name}_{subscale}",
        instrument=measure.instrument,
        label=f"{measure.label}, {subscale}",
        low=cast(float, measure.item_low) * factor if bounded else None,
        high=cast(float, measure.item_high) * factor if bounded else None,
        higher_is_worse=measure.higher_is_worse,
        collected=measure.collected,
        recall_days=measure.recall_days,
        centred=measure.centred,
        score=measure.score,
        column=None,
        items=items,
        reverse=tuple(item for item in measure.reverse if item in items),
        min_answered=measure.min_answered,
        item_low=measure.item_low,
        item_high=measure.item_high,
        labelled=measure.labelled,
        rater=measure.rater,
        shared_items=measure.shared_items,
        missing=measure.missing,
        answers=measure.answers,
        own=measure.own,
    )


def tag_items(measure: Measure) -> Measure:
    """Return the measure with its items named by rater too: in the joined sessions both raters' answers are columns.

    Examples
    --------
    >>> bond = Measure("bond", None, "Bond", 1, 5, False, None, None, False, "mean", None, ("w1",), rater="therapist")
    >>> tag_items(bond).items
    ('therapist:w1',)
    """
    if measure.rater is None:
        return measure
    items, reverse = (tuple(f"{measure.rater}:{item}" for item in each) for each in (measure.items, measure.reverse))
    return replace(measure, items=items, reverse=reverse)


def untag_items(measure: Measure) -> Measure:
    """Return the measure with its items named as in the file: what `tag_items` did is undone."""
    if measure.rater is None:
        return measure
    tag = f"{measure.rater}:"
    items, reverse = (tuple(item.removeprefix(tag) for item in each) for each in (measure.items, measure.reverse))
    return replace(measure, items=items, reverse=reverse)


@dataclass(frozen=True)
class ScaleMatch:
    """Whether a difference between the means of two measures says something about those who rated.

    Attributes
    ----------
    same_range : bool
        Both scores run from the same lowest to the same highest value, and both are known.
    same_items : bool or None
        Both rate the same items; None when that is not known.
    reason : str
        Why no difference of means may be claimed; "" where it may.
    caution : str
        What is taken for granted where a difference is claimed; "" when nothing is.
    """

    same_range: bool
    same_items: bool | None
    reason: str
    caution: str


def compare_scales(first: Measure, second: Measure) -> ScaleMatch:
    """Say whether the means of two measures may be compared: one response scale and, as far as known, the same items.

    Items are the same when both measures name one instrument, when both are scored from equally many items of one
    family of instruments, or when the study file says so (`shared_items`). Two parts, goal and bond, never share items.

    Parameters
    ----------
    first, second : Measure
        Two measures of one study, usually the ratings of two raters.

    Returns
    -------
    ScaleMatch
        Its `reason` is "" where a difference of the means may be claimed.

    Examples
    --------
    >>> mine = Measure("a", "WAI-SR", "Client", 1, 5, False, None, None, False, "mean", "a")
    >>> compare_scales(mine, replace(mine, label="Therapist", high=7)).reason
    'Client can run from 1 to 5 and Therapist from 1 to 7: their means can differ for that alone.'
    >>> compare_scales(mine, replace(mine, label="Therapist", instrument="WAI-SRT")).caution
    'It is taken for granted that Client and Therapist are ratings of the same items.'
    """
    same_range, same_items = _same_range(first, second), _same_items(first, second)
    both = f"{first.label} and {second.label}"
    reason = caution = ""
    if not same_range:
        reason = _range_reason(first, second)
    elif same_items is False:
        reason = f"{both} are not made of the same items: their means can differ for that alone."
    elif same_items is None:
        caution = f"It is taken for granted that {both} are ratings of the same items."
    return ScaleMatch(same_range, same_items, reason, caution)


def _same_range(first: Measure, second: Measure) -> bool:
    if first.centred or second.centred:
        return False
    limits = (_limits(first), _limits(second))
    if None not in limits:
        return limits[0] == limits[1]
    # a part of an instrument may have an unknown number of items, each with known answers
    answers = [(one.item_low, one.item_high) for one in (first, second)]
    return first.score == second.score and answers[0] == answers[1] and None not in answers[0]


def _limits(measure: Measure) -> tuple[float, float] | None:
    return None if measure.low is None or measure.high is None else (measure.low, measure.high)


def _range_reason(first: Measure, second: Measure) -> str:
    centred = [one.label for one in (first, second) if one.centred]
    unknown = [one.label for one in (first, second) if _limits(one) is None]
    if centred:
        return f"{' and '.join(centred)} {'is' if len(centred) == 1 else 'are'} centred: the means have no common zero."
    if unknown:
        return f"The lowest and highest possible values of {' and '.join(unknown)} are not known."
    ranges = [f"from {one.low:g} to {one.high:g}" for one in (first, second)]
    return f"{first.label} can run {ranges[0]} and {second.label} {ranges[1]}: their means can differ for that alone."


def _same_items(first: Measure, second: Measure) -> bool | None:
    stated = (first.shared_items, second.shared_items)
    numbers = (len(first.items), len(second.items))
    scored = all(numbers)
    if False in stated or _part(first) != _part(second) or (scored and numbers[0] != numbers[1]):
        return False
    if True in stated:
        return True
    if first.instrument is None or second.instrument is None:
        return None
    if family(first) != family(second):
        return False
    if scored or first.instrument == second.instrument:
        return True
    known = (_number_of_items(first), _number_of_items(second))
    return False if None not in known and known[0] != known[1] else None


def _number_of_items(measure: Measure) -> int | None:
    instrument = measure.known
    if measure.items or instrument is None:
        return len(measure.items) or None
    return len(instrument.subscales.get(_part(measure), ())) or None if _part(measure) else instrument.n_items


def _part(measure: Measure) -> str:
    """Return goal, task or bond for a subscale, "" for a whole scale."""
    return measure.name.rpartition("_")[2] if _is_subscale(measure.name) else ""


def family(measure: Measure) -> str | None:
    """Return the family of a measure's instrument; of an instrument the package does not know, its name."""
    known = measure.known
    return known.family if known else measure.instrument


def _known(instrument: str | None, own: Mapping[str, Instrument]) -> Instrument | None:
    wanted = (instrument or "").replace(" ", "").casefold()
    everything = {**INSTRUMENTS, **own}
    return next((one for name, one in everything.items() if name.replace(" ", "").casefold() == wanted), None)


def _is_subscale(name: str) -> bool:
    return name.rpartition("_")[2] in SUBSCALES


def _is_alliance(name: str) -> bool:
    return name in ALLIANCE or (_is_subscale(name) and name.rpartition("_")[0] in ALLIANCE)


def _complaints(
    name: str,
    instrument: str | None,
    known: Instrument | None,
    stated: dict[str, Any],
    own: Mapping[str, Instrument],
) -> list[Complaint]:
    found: list[Complaint] = []
    misnamed = instrument and known is None and stated["range"] is None
    if misnamed:
        hint = nearest(str(instrument), [*INSTRUMENTS, *own])
        found.append(
            ("instrument", f"{instrument!r} is not known{hint}. Correct it, or add `range: [lowest, highest]`.")
        )
    elif stated["range"] is None and not stated["centred"] and _score_range(name, known, stated, None)[0] is None:
        found.append(
            ("range", "is missing; add `range: [lowest, highest]`, or `range: null` for values without limits.")
        )
    if not misnamed and known is None and stated["higher_is_worse"] is None and not _is_alliance(name):
        found.append(("higher_is_worse", "is missing; write true or false. The direction is never guessed."))
    if known and known.n_items and stated["items"] and not _is_subscale(name) and len(stated["items"]) != known.n_items:
        text = f"has {len(stated['items'])} columns; {known.name} has {known.n_items} items. Name all, in its order."
        found.append(("items", text))
    if known and stated["items"] and known.reverse is None and stated["reverse"] is None:
        text = (
            f"is missing; the reversed items of {known.name} are not known here. Add `reverse: [...]` or `reverse: []`."
        )
        found.append(("reverse", text))
    if stated["reverse"] and _item_range(known, stated)[0] is None:
        found.append(("reverse", "needs the range of one item. Add `range: [lowest, highest]`."))
    return found


def _item_range(known: Instrument | None, stated: dict[str, Any]) -> tuple[float | None, float | None]:
    if isinstance(stated["range"], tuple) and stated["items"]:
        return stated["range"]
    if stated["range"] == "none" or stated["centred"] or known is None:
        return None, None
    return known.item_low, known.item_high


def _score_range(
    name: str, known: Instrument | None, stated: dict[str, Any], score: str | None
) -> tuple[float | None, float | None]:
    score = score or stated["score"] or (known.score if known else "mean")
    if isinstance(stated["range"], tuple):
        factor = len(stated["items"]) if stated["items"] and score == "sum" else 1
        return stated["range"][0] * factor, stated["range"][1] * factor
    if stated["range"] == "none" or stated["centred"] or known is None:
        return None, None
    subscale = known.subscales.get(name.rpartition("_")[2], ()) if _is_subscale(name) else ()
    if _is_subscale(name) and not subscale and score == "sum":
        return None, None
    return known.score_range(score, len(stated["items"]) or len(subscale) or None) or (None, None)


def _is_own_metric(known: Instrument, score: str, low: float | None, high: float | None) -> bool:
    return score == known.score and (low, high) == known.score_range(score)


def _reversed_items(known: Instrument | None, stated: dict[str, Any]) -> tuple[str, ...]:
    if stated["reverse"] is not None:
        return stated["reverse"]
    items = stated["items"]
    numbers = known.reverse if known and known.reverse and len(items) == known.n_items else ()
    return tuple(items[number - 1] for number in numbers)
