"""Makes the whole of an alliance that a file holds only in parts: goal, task and bond."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.candidate import Candidate
from alliance_analysis.draft.scales import Scale
from alliance_analysis.study.vocabulary import SUBSCALES


def wholes(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return a candidate for each rater and phase of whom the three parts are there and no whole.

    Parameters
    ----------
    candidates : sequence of Candidate
        What was found in the files, with their raters.
    """
    groups: dict[tuple[object, ...], dict[str, Candidate]] = defaultdict(dict)
    for one in candidates:
        if one.construct == "alliance":
            key = (_name(one), one.rater, one.block.meaning.phase, one.by_session)
            groups[key].setdefault(one.block.meaning.part, one)
    found = [_whole([parts[part] for part in SUBSCALES]) for parts in groups.values() if set(parts) == set(SUBSCALES)]
    return [one for one in found if one]


def _name(one: Candidate) -> str:
    return one.scale.instrument.family if one.scale.instrument else one.block.form or ""


def _whole(parts: Sequence[Candidate]) -> Candidate | None:
    """Return the whole of three parts, or None where they are not scored alike."""
    first = parts[0]
    limits = {_limits(one) for one in parts}
    scores = {_score(one) for one in parts}
    same_file = all(one.frame is first.frame for one in parts)
    if len(limits) > 1 or len(scores) > 1 or len({one.block.items for one in parts}) > 1 or not same_file:
        return None
    missing = tuple(sorted({code for one in parts for code in one.scale.missing}))
    said = tuple(text for text in first.scale.doubts if all(text in one.scale.doubts for one in parts))
    scale = Scale(
        None, limits=limits.pop(), score=scores.pop(), missing=missing, centred=first.scale.centred,
        doubts=(*said, "the file holds goal, task and bond, not the whole: it is made of them, each weighing alike"),
    )  # fmt: skip
    return replace(first, block=_together([one.block for one in parts]), scale=scale)


def _together(blocks: Sequence[Block]) -> Block:
    first = blocks[0]
    return replace(
        first,
        columns=tuple(column for block in blocks for column in block.columns),
        held=tuple(column for block in blocks for column in block.held),
        meaning=replace(first.meaning, part=""),
        form=first.form,
        low=min(block.low for block in blocks),
        high=max(block.high for block in blocks),
        filled=sum(block.filled for block in blocks),
        profiles=tuple(one for block in blocks for one in block.profiles),
        evidence="the columns of goal, task and bond",
        doubt="",
    )


def _limits(one: Candidate) -> tuple[float, float] | str:
    """Return the range of one column: of an item, or of a part's score."""
    known = one.scale.instrument
    if one.scale.limits is not None or known is None or known.item_low is None or known.item_high is None:
        return one.scale.limits or "none"
    number = len(known.subscales.get(one.block.meaning.part, ())) if _score(one) == "sum" else 1
    if one.block.items or not number:
        return (known.item_low, known.item_high) if one.block.items else "none"
    return known.item_low * number, known.item_high * number


def _score(one: Candidate) -> str:
    return one.scale.score or (one.scale.instrument.score if one.scale.instrument else "mean")
