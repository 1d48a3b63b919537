"""Tells from the values which form of a questionnaire a block is, how it is scored, and which numbers are codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.draft.aliases import ALIASES
from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.guess import span
from alliance_analysis.draft.words import MEAN_WORDS, SUM_WORDS
from alliance_analysis.study.instruments import INSTRUMENTS, Instrument

CODES = frozenset(
    {-1, -7, -8, -9, -66, -77, -88, -99, -999, 7, 8, 9, 66, 77, 88, 96, 97, 98, 99, 666, 777, 888, 999, 9999}
)
"""Numbers that survey programs and clinics write for an answer that is missing."""
_MOST_CODES = 0.4
_FEW_OUTSIDE = 0.02


@dataclass(frozen=True)
class Scale:
    """What a block measures and how.

    Attributes
    ----------
    instrument : Instrument or None
        The known form.
    limits : tuple of float, str or None
        Range to write: two numbers, "none" for values without known limits, None where the instrument's own holds.
    score : str
        "mean", "sum", or "" when it need not be said.
    missing : tuple of float
        Codes for missing answers.
    evidence : str
        What the choice rests on.
    doubts : tuple of str
        What speaks against it.
    instead : tuple of str
        Other spellings of the measure's keys.
    centred : bool
        Whether the values have no absolute zero.
    """

    instrument: Instrument | None
    limits: tuple[float, float] | str | None = None
    score: str = ""
    missing: tuple[float, ...] = ()
    evidence: str = ""
    doubts: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    centred: bool = False


def counts(block: Block) -> dict[float, float]:
    """Return how often each number stands in a block."""
    found: dict[float, float] = {}
    for one in block.profiles:
        for number, weight in zip(one.numbers, one.weights, strict=True):
            found[float(number)] = found.get(float(number), 0.0) + float(weight)
    return found


def forms(block: Block, rater: str | None) -> list[Instrument]:
    """Return the known forms a block may be, the most likely by its name first."""
    if block.form is None:
        return []
    own = INSTRUMENTS.get(block.form)
    family = "WAI" if block.form.startswith("WAI") else own.family if own else block.form
    members = [one for one in INSTRUMENTS.values() if one.family == family or one.name == block.form]
    exact = own is not None and (block.meaning.alias is None or ALIASES[block.meaning.alias] != family)
    if rater == "client":
        members = [one for one in members if one.name != "WAI-SRT"] or members
    return sorted(members, key=lambda one: not (exact and one is own))


def scale_of(block: Block, rater: str | None) -> Scale:
    """Say what a block measures; `rater` is who rated it, as far as known."""
    found = forms(block, rater)
    if not found:
        return _unknown(block)
    if _is_centred(block, found):
        return _centred(block, found[0])
    return _items(block, found) if block.items else _score(block, found, rater)


def _is_centred(block: Block, candidates: Sequence[Instrument]) -> bool:
    """Whether values that cannot be negative are, with decimals: somebody took a mean away."""
    lowest = min((one.item_low for one in candidates if one.item_low is not None), default=None)
    return (
        lowest is not None
        and lowest >= 0
        and not block.whole
        and any(number % 1 for number in counts(block) if number < 0)
    )


def _centred(block: Block, instrument: Instrument) -> Scale:
    known = instrument if not block.items or instrument.n_items == len(block.columns) else None
    doubts = ["values below zero: taken for centred ones, without range and cut-offs"]
    if known is None:
        doubts.append(
            f"{len(block.columns)} columns, but {instrument.name} has {instrument.n_items} items: taken for parts of it"
        )
    score = instrument.score if known else "mean"
    return Scale(known, limits="none", score=score, doubts=tuple(doubts), centred=True)


def _outside(seen: dict[float, float], low: float, high: float) -> dict[float, float]:
    return {number: weight for number, weight in seen.items() if not low <= number <= high}


def _codes(outside: dict[float, float], total: float) -> tuple[float, ...]:
    strange = [number for number in outside if number not in CODES]
    # 7 beside 6 is an answer of a longer scale, 7 alone a code
    codes = tuple(
        sorted(number for number in outside if number in CODES and all(abs(number - other) > 1 for other in strange))
    )
    return codes if sum(outside[number] for number in codes) <= _MOST_CODES * total else ()


def _items(block: Block, candidates: Sequence[Instrument]) -> Scale:
    seen = counts(block)
    total = sum(seen.values())
    number = len(block.columns)
    part = block.meaning.part
    fitting = [one for one in candidates if part or one.n_items in (number, None)]
    if not fitting:
        return _other_length(block, candidates[0], seen)

    def misfit(one: Instrument) -> tuple[bool, float, float]:
        low, high = _range(one)
        return one.n_items is None, round(sum(_outside(seen, low, high).values()) / total, 3), high - low

    best = min(fitting, key=misfit)
    low, high = _range(best)
    outside = _outside(seen, low, high)
    codes = _codes(outside, total)
    strange = {one: weight for one, weight in outside.items() if one not in codes}
    scale = Scale(
        best, missing=codes, score=best.score, evidence=f"{number} items with answers {span(low, high)}: {best.name}"
    )
    scale = _explain_codes(scale, outside, codes)
    others = [one.name for one in candidates if one is not best]
    if strange:
        scale = _explain_strange(scale, seen, strange, total)
    if others and sum(one.n_items == number for one in candidates) > 1 and not _name_says(block, best):
        text = f"the names do not say which form of the {best.family} this is; number of items and answers decided"
        scale = replace(scale, doubts=(*scale.doubts, text), instead=tuple(f"instrument: {name}" for name in others))
    return scale


def _name_says(block: Block, instrument: Instrument) -> bool:
    return block.meaning.alias is not None and ALIASES[block.meaning.alias] == instrument.name != "WAI"


def _range(one: Instrument) -> tuple[float, float]:
    low = one.item_low if one.item_low is not None else -np.inf
    return low, one.item_high if one.item_high is not None else np.inf


def _explain_codes(scale: Scale, outside: dict[float, float], codes: tuple[float, ...]) -> Scale:
    if not codes:
        return scale
    shown = ", ".join(f"{code:g} ({outside[code]:,.0f} times)" for code in codes)
    text = f"{shown} is outside the answers and is read as missing"
    if any(abs(code) < 10 for code in codes):
        return replace(scale, doubts=(*scale.doubts, text))
    return replace(scale, evidence=f"{scale.evidence}; {text}")


def _explain_strange(scale: Scale, seen: dict[float, float], strange: dict[float, float], total: float) -> Scale:
    """Read answers that are all shifted by one as another coding; say of anything else that it does not fit."""
    low, high = _range(scale.instrument) if scale.instrument else (0.0, 0.0)
    kept = [number for number in seen if number not in scale.missing]
    for shift in (-1, 1):
        if all(low + shift <= number <= high + shift for number in kept):
            limits = (low + shift, high + shift)
            text = f"the answers run {span(*limits)}, not {span(low, high)}: another coding, so cut-offs are not used"
            return replace(scale, limits=limits, doubts=(*scale.doubts, text))
    if set(strange) == {0.0} and low == 1:
        text = f"0 stands {strange[0.0]:,.0f} times outside the answers {span(low, high)} and is read as missing"
        return replace(scale, missing=(0.0, *scale.missing), doubts=(*scale.doubts, text))
    if len(strange) > 2 and sum(strange.values()) > _FEW_OUTSIDE * total:
        limits = (min(low, *kept), max(high, *kept))
        name = scale.instrument.name if scale.instrument else "it"
        text = f"answers {span(min(kept), max(kept))} do not fit {name} ({span(low, high)})"
        return replace(scale, limits=limits, doubts=(*scale.doubts, text))
    shown = ", ".join(f"{number:g} ({weight:,.0f} times)" for number, weight in list(strange.items())[:3])
    return replace(scale, doubts=(*scale.doubts, f"{shown} is outside the answers {span(low, high)}; correct the file"))


def _other_length(block: Block, family: Instrument, seen: dict[float, float]) -> Scale:
    low, high = _range(family)
    codes = _codes(_outside(seen, low, high), sum(seen.values()))
    kept = [number for number in seen if number not in codes]
    limits = (min(low, *kept), max(high, *kept)) if np.isfinite(low) else (min(kept), max(kept))
    text = f"{len(block.columns)} columns, but {family.name} has {family.n_items} items: written without the instrument"
    return Scale(None, limits=limits, score=family.score, missing=codes, evidence="", doubts=(text,))


def _unknown(block: Block) -> Scale:
    seen = counts(block)
    plain = [number for number in seen if number not in CODES]
    wide = max(plain) - min(plain) if plain else 0.0
    codes = tuple(
        sorted(
            number for number in seen if number in CODES and plain and min(abs(number - one) for one in plain) > wide
        )
    )
    kept = [number for number in seen if number not in codes]
    if not block.items:
        return Scale(None, limits="none", missing=codes, instead=("range: [lowest, highest]",))
    return Scale(None, limits=(min(kept), max(kept)) if len(kept) > 1 else "none", score="mean", missing=codes)


Fit = tuple[Instrument, str, float, float, "tuple[float, float] | None", str]


def _score(block: Block, candidates: Sequence[Instrument], rater: str | None) -> Scale:
    """Choose the form and the scoring whose range the values fill."""
    seen = counts(block)
    total = sum(seen.values())
    fits = [fit for one in candidates for fit in _scorings(one, block)]
    wanted = "mean" if block.meaning.score & MEAN_WORDS else "sum" if block.meaning.score & SUM_WORDS else ""
    fits = [fit for fit in fits if not wanted or fit[1] == wanted] or fits
    if not fits:
        text = "its range is not known"
        return Scale(candidates[0], limits="none", doubts=(text,), evidence=f"values {span(min(seen), max(seen))}")

    def without_codes(fit: Fit) -> float:
        outside = _outside(seen, fit[2], fit[3])
        codes = _codes(outside, total)
        return round(sum(weight for number, weight in outside.items() if number not in codes) / total, 3)

    usable = [fit for fit in fits if without_codes(fit) == 0]
    if not usable:
        return _no_fit(block, candidates[0], seen)
    preferred = _prefer(usable, seen, rater)
    instrument, score, low, high, limits, how = preferred
    outside = _outside(seen, low, high)
    codes = _codes(outside, total)
    kept = [number for number in seen if number not in codes]
    evidence = f"values {span(min(kept), max(kept))} fit the {how} of {instrument.name} ({span(low, high)})"
    scale = _explain_codes(
        Scale(instrument, limits=limits, score=score, missing=codes, evidence=evidence), outside, codes
    )
    names = {fit[0].name for fit in usable} - {instrument.name}
    if names and not _name_says(block, instrument):
        text = f"the name does not say which form of the {instrument.family} this is"
        scale = replace(
            scale, doubts=(*scale.doubts, text), instead=tuple(f"instrument: {name}" for name in sorted(names))
        )
    if limits is not None:
        text = f"read as {how}; cut-offs of {instrument.name} hold for its {instrument.score} and are not used"
        scale = replace(scale, doubts=(*scale.doubts, text))
    return scale


def _scorings(one: Instrument, block: Block) -> list[Fit]:
    """Return the ways in which a score of this instrument may be given."""
    part = one.subscales.get(block.meaning.part, ()) if block.meaning.part else ()
    size = len(part) or (None if block.meaning.part else one.n_items)
    found: list[Fit] = []
    if one.item_low is None or one.item_high is None:
        return found
    found.append((one, "mean", one.item_low, one.item_high, None, "mean"))
    if size:
        found.append((one, "sum", one.item_low * size, one.item_high * size, None, "sum"))
    if one.family == "CORE" and one.n_items != 10:
        found.append((one, "mean", 0, 40, (0, 40), "mean times 10"))
    if one.item_high == 10 and size:
        found.append((one, "sum", 0, 100, (0, 100), "score from 0 to 100"))
    return found


def _prefer(usable: Sequence[Fit], seen: dict[float, float], rater: str | None) -> Fit:
    """Choose among ways to score that all hold the values: the one whose range they fill best."""
    kept = [number for number in seen if number not in CODES] or list(seen)
    fine = any(number % 1 for number in kept)
    by_rater: Callable[[Fit], bool] = lambda fit: (fit[0].name == "WAI-SRT") != (rater == "therapist")  # noqa: E731

    def cost(fit: Fit) -> tuple[bool, bool, float]:
        _, score, low, high, limits, _ = fit
        filled = (max(kept) - min(kept)) / (high - low)
        # means have decimals; a sum that has some is rare, and whole numbers within the answers to one item rarer still
        unlikely = (fine and score == "sum") or (
            not fine and score == "mean" and limits is None and len(kept) > 3 and filled < 1
        )
        return filled < 0.2, unlikely, -filled

    return min(usable, key=lambda fit: (*cost(fit), by_rater(fit)))


def _no_fit(block: Block, instrument: Instrument, seen: dict[float, float]) -> Scale:
    text = f"values {span(min(seen), max(seen))} fit no known scoring of {instrument.name}; state its range"
    return Scale(
        instrument, limits="none", score=instrument.score, doubts=(text,), instead=("range: [lowest, highest]",),
        evidence=block.evidence if not block.items else "",
    )  # fmt: skip
