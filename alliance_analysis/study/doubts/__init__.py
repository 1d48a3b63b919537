"""What loads but may be wrong: one module per reason for doubt, each from a frame to problems that warn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from alliance_analysis.study.battery import batteries
from alliance_analysis.study.doubts.ceiling import find_ceilings
from alliance_analysis.study.doubts.course import course_of
from alliance_analysis.study.doubts.duplicates import find_duplicated_blocks
from alliance_analysis.study.doubts.jumps import find_jumps
from alliance_analysis.study.doubts.privacy import find_telling_columns, find_telling_ids
from alliance_analysis.study.doubts.responding import find_straight_lines
from alliance_analysis.study.doubts.reversed import find_reversed_items
from alliance_analysis.study.doubts.therapy_end import find_sessions_after_end
from alliance_analysis.study.layout import score_ratings
from alliance_analysis.study.measure import Measure
from alliance_analysis.study.problems import Problem
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.vocabulary import CLIENT, SESSION, SUBSCALES


@dataclass(frozen=True)
class Material:
    """What doubts are looked for in.

    Attributes
    ----------
    parts : tuple of Part
        Files of sessions.
    client_part : Part or None
        File with one row per client.
    measures : dict
        Measures as the study file states them.
    """

    parts: tuple[Part, ...]
    client_part: Part | None
    measures: dict[str, Measure]


def find_privacy_doubts(material: Material) -> list[Problem]:
    """Return what in the files tells who somebody is; also looked for where the study cannot be loaded."""
    found = []
    for part in _files(material):
        found += [*find_telling_ids(part, date.today()), *find_telling_columns(part)]
    return found


def find_doubts(material: Material) -> list[Problem]:
    """Return everything in a study that loads which a careful reader would look at twice."""
    found: list[Problem] = []
    for part in _files(material):
        for battery in batteries(part, material.measures):
            if battery.measure.items:
                found += [*find_straight_lines(battery), *find_reversed_items(battery)]
        if not {CLIENT, SESSION} <= set(part.frame):
            continue
        items = any(one.items for one in material.measures.values())
        scores = score_ratings(part.frame, material.measures)[0] if items else part.frame
        whole = {name: one for name, one in material.measures.items() if name.rpartition("_")[2] not in SUBSCALES}
        course = course_of(part.frame)
        found += find_jumps(part, scores, course, whole)
        found += find_ceilings(part, scores, whole)
        found += find_duplicated_blocks(part, course)
        found += find_sessions_after_end(part, material.client_part)
    return found


def _files(material: Material) -> Sequence[Part]:
    return [*material.parts, *([material.client_part] if material.client_part else [])]
