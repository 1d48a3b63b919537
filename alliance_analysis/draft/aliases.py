"""What clinics call the questionnaires in the headers of their files, and which forms of a family there are."""

from __future__ import annotations

from dataclasses import dataclass

from alliance_analysis.draft.words import tokens, word_set
from alliance_analysis.study.instruments import INSTRUMENTS, Instrument


def _aliases(table: dict[str, str]) -> dict[str, str]:
    return {alias: name for name, aliases in table.items() for alias in aliases.split()}


ALIASES = _aliases(
    {
        "WAI": "wai wai12 wai36 waic12 workingalliance workingallianceinventory workingallianceinv",
        "WAI-SR": "waisr waisrc waisrp wairev waisr12 wairevised workingallianceinventoryshortrevised",
        "WAI-SRT": "waisrt",
        "WAI-S": "waishort waisf waisform",
        "HAq-II": "haq haqii haq2 haqs helpingalliance helpingalliancequestionnaire",
        "ARM": "arm arm28 arm12 arm5 agnew agnewrelationshipmeasure",
        "SRS": "srs srsv3 sessionrating sessionratingscale",
        "ORS": "ors outcomerating outcomeratingscale",
        "PHQ-9": "phq phq9 phqd phqix patienthealthquestionnaire",
        "GAD-7": "gad gad7 gadvii generalizedanxiety generalisedanxiety",
        "OQ-45": "oq oq45 oq452 oqtot oqtotal oqsum outcomequestionnaire",
        "CORE-OM": "coreom core34 om34 core clinicaloutcomesinroutineevaluation",
        "CORE-10": "core10 coreten",
        "BDI-II": "bdi bdiii bdi2 beckdepression beckdepressioninventory",
        "BAI": "bai beckanxiety beckanxietyinventory",
        "BSI": "bsi bsi53 briefsymptominventory",
        "SWLS": "swls satisfactionwithlife satisfactionwithlifescale lifesatisfaction",
        "RRI": "rri realrelationship realrelationshipinventory",
    }
)
"""Folded name without spaces -> the instrument, or the family's best known form."""

NOT_KNOWN_FORMS = word_set(
    "phq2 phq4 phq8 phq15 gad2 oq30 oq10 yoq core5 corea core6 bsi18 hads dass dass21 k10 k6 scl scl90 "
    "scl90r scl9 pcl pcl5 ces cesd madrs hamd hdrs hama edeq qids wsas who5 panas iip iip32 cgi gaf sf12 "
    "sf36 cai vtas ces ssq grid csq csq8 "
)
"""Names that a known alias begins but that are other questionnaires, and well-known ones without an entry here."""

WORDY = frozenset({"arm", "core", "oq", "gad", "ors"})
"""Aliases that are also words or parts of them: a name alone does not settle them."""

SIZES: dict[str, tuple[int, ...]] = {"WAI": (12, 36, 10), "ARM": (28, 12, 5), "CORE": (34, 10), "RRI": (24, 12, 8)}
"""Lengths in which the forms of a family are given (domain knowledge)."""

PARTED = frozenset({"WAI", "ARM"})
"""Families of questionnaires with subscales of goal, task or bond (domain knowledge)."""

CLEAR_TITLES = {
    "working alliance inventory": "WAI",
    "helping alliance": "HAq-II",
    "agnew relationship": "ARM",
    "session rating scale": "SRS",
    "outcome rating scale": "ORS",
    "patient health questionnaire": "PHQ-9",
    "generalized anxiety disorder": "GAD-7",
    "generalised anxiety disorder": "GAD-7",
    "outcome questionnaire": "OQ-45",
    "beck depression": "BDI-II",
    "beck anxiety": "BAI",
    "brief symptom inventory": "BSI",
    "satisfaction with life": "SWLS",
    "real relationship inventory": "RRI",
}
"""Titles that settle the instrument when a label of the file holds them."""


@dataclass(frozen=True)
class Form:
    """What a family of questionnaires may be: its known form and the lengths in which it is given."""

    alias: str
    name: str
    sizes: tuple[int, ...]

    @property
    def instrument(self) -> Instrument | None:
        """The known instrument, when there is one of that very name."""
        return INSTRUMENTS.get(self.name)


def form_of(alias: str) -> Form:
    """Return what an alias may stand for."""
    name = ALIASES[alias]
    known = INSTRUMENTS.get(name)
    family = "WAI" if name.startswith("WAI") else known.family if known else name
    sizes = SIZES.get(family, ())
    if known and known.n_items:
        sizes = (known.n_items, *(size for size in sizes if size != known.n_items))
    return Form(alias, name, sizes)


def has_parts(alias: str | None) -> bool:
    """Return whether a questionnaire may have parts of goal, task and bond; the goals of the SRS are an item."""
    return alias is None or ALIASES[alias].split("-")[0] in PARTED


def find_in_text(text: str) -> str | None:
    """Return the instrument that a label or title names beyond doubt, or None.

    Examples
    --------
    >>> find_in_text("PHQ-9: item 3"), find_in_text("How long at arm's length?")
    ('PHQ-9', None)
    """
    plain = " ".join(tokens(text))
    for title, name in CLEAR_TITLES.items():
        if title in plain:
            return name
    words = plain.split()
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            joined = "".join(words[start : start + length])
            if joined in NOT_KNOWN_FORMS:
                return None
            if joined in ALIASES and joined not in WORDY:
                return ALIASES[joined]
    return None
