"""Makes the measures of a study file from blocks of columns: their names, keys, and what is doubtful in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.candidate import Candidate
from alliance_analysis.draft.guess import Ask, Question, names, span
from alliance_analysis.draft.keying import items_against
from alliance_analysis.draft.parts import wholes
from alliance_analysis.draft.scales import Scale, counts, forms, scale_of
from alliance_analysis.draft.words import ALLIANCE_WORDS, FOLLOW_UP, INTAKE, POST, SYMPTOM_WORDS, fold, tokens
from alliance_analysis.study.definition import CONTRACT_COLUMNS
from alliance_analysis.study.vocabulary import ALLIANCE, BASELINE, RATERS, SYMPTOMS
from alliance_analysis.study.vocabulary import FOLLOW_UP as FOLLOW_UP_SUFFIX
from alliance_analysis.study.vocabulary import POST as POST_SUFFIX

ALLIANCE_FAMILIES = ("WAI", "HAq", "ARM", "SRS")
"""Questionnaires of the alliance, the first preferred as the study's alliance measure."""
SYMPTOM_ORDER = ("OQ", "CORE", "PHQ", "BDI", "GAD", "BAI", "BSI")
_SUFFIX = {INTAKE: BASELINE, POST: POST_SUFFIX, FOLLOW_UP: FOLLOW_UP_SUFFIX}
_WIDEST_ITEM = 10
_FEWEST_ITEMS = 3
_MOST_SUGGESTED = 20
_LEAVE_OUT = "leave out"
_ANSWERS = {
    "alliance, rated by the client": ("alliance", "client", False),
    "alliance, rated by the therapist": ("alliance", "therapist", False),
    "symptoms or distress (higher is worse)": ("symptoms", None, True),
    "something else, higher is worse": ("other", None, True),
    "something else, higher is better": ("other", None, False),
}


@dataclass(frozen=True)
class DraftMeasure:
    """One entry under ``measures:``.

    Attributes
    ----------
    name : str
        Its name.
    keys : dict
        Its keys, in the order in which they are written.
    evidence : str
        On what it rests.
    doubts : tuple of str
        What speaks against it.
    instead : tuple of str
        What may stand there instead.
    active : bool
        False: written as a comment, because the files do not say enough.
    waits : str
        What has to be known before a measure of a known questionnaire can be used; "" for all others.
    """

    name: str
    keys: dict[str, object]
    evidence: str
    doubts: tuple[str, ...] = ()
    instead: tuple[str, ...] = field(default=())
    active: bool = True
    waits: str = ""


def find_candidates(
    blocks: Iterable[Block], frame: pd.DataFrame, raters: dict[str, str], rater_column: str | None,
    *, one_row_per_client: bool,
) -> list[Candidate]:  # fmt: skip
    """Say of the blocks of one file what they measure and who rated.

    Parameters
    ----------
    blocks : iterable of Block
        Columns put together.
    frame : DataFrame
        The file.
    raters : dict
        Rater -> word, where the rows say who rated.
    rater_column : str or None
        The column of these words.
    one_row_per_client : bool
        Whether the file has one row per client.
    """
    found = []
    for block in blocks:
        by_session = bool(block.sessions) or not one_row_per_client
        for rater in _raters_of(block, frame, raters, rater_column):
            scale = scale_of(block, rater)
            construct, worse, doubts = _construct(block, scale)
            found.append(
                Candidate(block, frame, by_session, rater, bool(rater_column), scale, construct, worse, doubts)
            )
    return found


def _raters_of(block: Block, frame: pd.DataFrame, raters: dict[str, str], column: str | None) -> list[str | None]:
    said = sorted(block.meaning.raters)
    if len(said) == 1:
        return [said[0]]
    if not column:
        return [None]
    rows = frame[column].astype(str).str.strip()
    held = [
        rater
        for rater, word in raters.items()
        if pd.to_numeric(frame.loc[rows == word, block.held[0]], errors="coerce").notna().any()
    ]
    return [*held] or [None]


def _construct(block: Block, scale: Scale) -> tuple[str, bool | None, tuple[str, ...]]:
    instrument = scale.instrument
    if instrument is None and block.form:
        known = forms(block, None)
        instrument = known[0] if known else None
    if instrument or block.form:
        alliance = (instrument.family if instrument else block.form) in ALLIANCE_FAMILIES
        worse = instrument.higher_is_worse if instrument else None
        return ("alliance" if alliance else "symptoms" if worse else "other"), worse, ()
    words = {*block.meaning.rest, *(word for one in block.profiles[:1] if one.label for word in tokens(one.label)[:8])}
    joined = "".join(block.meaning.rest)
    if words & ALLIANCE_WORDS or joined in ALLIANCE_WORDS:
        return "alliance", False, ("the questionnaire is not known; only the name says alliance",)
    if words & SYMPTOM_WORDS:
        text = "the questionnaire is not known; the name says symptoms, and higher is taken for worse"
        return "symptoms", True, (text,)
    return "other", None, ()


def name_measures(candidates: Sequence[Candidate], ask: Ask) -> tuple[list[DraftMeasure], list[str], list[str]]:
    """Name the measures.

    Returns
    -------
    tuple of (list of DraftMeasure, list of str, list of str)
        The measures; sentences on columns left out; numeric columns nothing is known of.
    """
    known = [one for one in candidates if one.construct != "other" or one.scale.instrument]
    unknown = [one for one in candidates if one not in known]
    asked, leftover, suggested = _ask_unknown(unknown, ask)
    if not known and not asked:
        singles = {one.block.held[0]: one for one in unknown if one not in suggested and not one.block.items}
        suggested += [replace(one, rater=None) for one in singles.values()][:_MOST_SUGGESTED]
    known, dropped = _drop_totals(_ask_rater([*known, *asked], ask))
    known += wholes(known)
    main = _main_symptoms(known)
    taken: dict[str, DraftMeasure] = {}
    notes = list(dropped)
    for one in sorted(known, key=_rank):
        base, doubts = _base_name(one, main, taken)
        name = base + _SUFFIX.get(one.block.meaning.phase, "")
        if (
            not one.by_session
            and not one.block.meaning.phase
            and one.construct == "symptoms"
            and main
            and main.by_session
        ):
            name = base + BASELINE
            doubts = (*doubts, "one value per client and no word in the name says when: taken for intake")
        measure = _measure(_free_name(name, one, taken), one, doubts, ask)
        taken[measure.name] = measure
    for one in suggested:
        name = _free_name(_slug(one.family if one.block.items else one.block.held[0]) or "scale", one, taken)
        taken[name] = replace(_measure(name, one, (), ask), active=False)
    return list(taken.values()), notes, leftover


def _ask_rater(candidates: Sequence[Candidate], ask: Ask) -> list[Candidate]:
    """Ask who rated the alliance where nothing says so, once for each questionnaire."""
    answers: dict[str, str | None] = {}
    found = []
    for one in candidates:
        if one.construct == "alliance" and one.rater is None:
            if one.family not in answers:
                question = Question(f"Who rated {names(one.block.held)} ({one.family})?", tuple(RATERS), "client")
                answers[one.family] = ask(question)
            one = replace(one, rater=answers[one.family])
        found.append(one)
    return found


def _rank(one: Candidate) -> tuple[object, ...]:
    order = {family: at for at, family in enumerate((*ALLIANCE_FAMILIES, *SYMPTOM_ORDER))}
    return (
        ("alliance", "symptoms", "other").index(one.construct),
        RATERS.index(one.rater) if one.rater in RATERS else 0,
        bool(one.block.meaning.part),
        bool(one.block.meaning.phase),
        not one.by_session,
        order.get(one.family, len(order)),
        not one.block.items,
        -one.block.filled,
    )


def _drop_totals(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Leave out scores whose items are there too, unless the items cannot be scored."""
    kept: list[Candidate] = []
    notes: list[str] = []
    groups: dict[tuple[object, ...], list[Candidate]] = {}
    for one in candidates:
        meaning = one.block.meaning
        key = (one.family, one.rater or "client", meaning.phase, meaning.part, one.by_session, one.construct)
        groups.setdefault(key, []).append(one)
    for members in groups.values():
        items = [one for one in members if one.block.items and one.scale.instrument]
        scores = [one for one in members if not one.block.items and one.scale.instrument]
        if items and scores:
            for one in scores:
                columns = names(one.block.held)
                notes.append(f"{columns}: left out, because its items are scored; `column:` would take it as it is")
        kept.extend(one for one in members if not (items and one in scores))
    return kept, notes


def _main_symptoms(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the measure of symptoms the study is about: with values per session, then the fullest."""
    symptoms = [one for one in candidates if one.construct == "symptoms"]
    order = {family: at for at, family in enumerate(SYMPTOM_ORDER)}
    if not symptoms:
        outcomes = [one for one in candidates if one.family == "ORS"]
        return outcomes[0] if outcomes else None

    def rank(one: Candidate) -> tuple[object, ...]:
        depth = one.block.filled / len(one.block.columns)
        return (
            not one.by_session,
            one.scale.instrument is None,
            bool(one.block.meaning.phase),
            -depth,
            order.get(one.family, 99),
        )

    return min(symptoms, key=rank)


def _base_name(one: Candidate, main: Candidate | None, taken: dict[str, DraftMeasure]) -> tuple[str, tuple[str, ...]]:
    part = f"_{one.block.meaning.part}" if one.block.meaning.part else ""
    if one.construct == "alliance":
        rater = one.rater or "client"
        name = f"alliance_{rater}{part}"
        doubts = () if one.rater else ("neither names nor rows say who rated: taken for the client",)
        if name + _SUFFIX.get(one.block.meaning.phase, "") not in taken:
            return name, doubts
        second = f"{_slug(one.family)}_{rater}{part}"
        return second, (*doubts, f"a second measure of the alliance; {name} is the one the notebooks use")
    if main is not None and one.family == main.family and one.construct == main.construct:
        return SYMPTOMS, ()
    return _slug(one.scale.instrument.name if one.scale.instrument else one.family) + part, ()


def _free_name(name: str, one: Candidate, taken: dict[str, DraftMeasure]) -> str:
    if name not in taken:
        return name
    own = _slug(one.block.held[0] if not one.block.items else one.family) or "scale"
    number = 2
    while own in taken:
        own, number = f"{own.rstrip('0123456789').rstrip('_')}_{number}", number + 1
    return own


def _slug(text: str) -> str:
    """Return a name the study file allows."""
    plain = re.sub(r"[^a-z0-9]+", "_", fold(text).encode("ascii", "ignore").decode()).strip("_")
    plain = plain if not plain or plain[0].isalpha() else f"scale_{plain}"
    taken = plain in CONTRACT_COLUMNS or re.search(r"(within|between|first|detrended|lag\d+|^time)$", plain)
    return f"{plain}_score" if taken else plain


def _measure(name: str, one: Candidate, doubts: tuple[str, ...], ask: Ask) -> DraftMeasure:
    scale, block = one.scale, one.block
    keys: dict[str, object] = {}
    if scale.instrument:
        keys["instrument"] = scale.instrument.name
    else:
        keys["label"] = _label(one)
    keys |= {"items": list(block.columns)} if block.items else {"column": block.columns[0]}
    answers, open_words, worded = _in_words(block)
    if answers:
        keys["answers"] = answers
    if isinstance(scale.limits, tuple):
        keys["range"] = [_plain(limit) for limit in scale.limits]
    elif scale.limits == "none":
        keys["range"] = None
    if scale.centred:
        keys["centred"] = True
    if scale.score:
        keys["score"] = scale.score
    more: tuple[str, ...] = ()
    if block.items and scale.instrument:
        reverse, more = _reversed(one)
        if reverse is not None:
            keys["reverse"] = reverse
    if not scale.instrument and not name.startswith(ALLIANCE):
        keys["higher_is_worse"] = one.worse
    if one.by_session and not block.meaning.phase and (one.construct in ("alliance", "symptoms") or name == SYMPTOMS):
        keys["collected"] = "after" if one.construct == "alliance" else "before"
    if scale.missing:
        keys["missing"] = [_plain(code) for code in scale.missing]
    if one.by_rows and one.construct != "alliance" and one.rater not in (None, "client"):
        keys["rater"] = one.rater
    said = tuple(text for text in (block.doubt, *scale.doubts, *one.doubts, *doubts, *more, worded) if text)
    evidence = "; ".join(text for text in (block.evidence, scale.evidence) if text)
    return DraftMeasure(name, keys, evidence, said, scale.instead, active=not open_words, waits=open_words)


def _in_words(block: Block) -> tuple[dict[int, str | list[str]], str, str]:
    """Return number -> word of answers in words, what is open about them, and what is doubtful."""
    held = list(dict.fromkeys(one.answers for one in block.profiles if one.answers))
    if not held:
        return {}, "", ""
    found: dict[int, list[str]] = {}
    for word, number in dict.fromkeys(pair for one in held for pair in one.numbers):
        if word != str(number):
            found.setdefault(number, []).append(word)
    written = {number: words[0] if len(words) == 1 else words for number, words in sorted(found.items())}
    if any(one.how == "open" for one in held):
        return written, "its answers are words, and nothing says which number each stands for: put them right", ""
    shown = ", ".join(word for words in (found[number] for number in sorted(found)) for word in words)
    doubts = {
        "order": f"its answers are words, put in the order of everyday language: {shown}",
        "code": f"its answers are codes, {shown}, read as the numbers in them",
    }
    return written, "", next((doubts[one.how] for one in held if one.how in doubts), "")


def _label(one: Candidate) -> str:
    words = one.block.form or " ".join(one.block.meaning.rest) or one.block.held[0]
    name = words if one.block.form else f"{words[:1].upper()}{words[1:]}"
    part = f", {one.block.meaning.part}" if one.block.meaning.part else ""
    return f"{name} ({one.rater}){part}" if one.rater and one.construct == "alliance" else name + part


def _plain(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _reversed(one: Candidate) -> tuple[list[str] | None, tuple[str, ...]]:
    """Return the reversed items to write (None: the instrument's own), and what the answers say of them."""
    instrument, columns = one.scale.instrument, one.block.columns
    if instrument is None:
        return None, ()
    seen = one.block.held if not one.block.sessions else _first_session(one.block)
    against = items_against(one.frame, seen, one.scale.missing)
    by_column = dict(zip(seen, columns, strict=True)) if len(seen) == len(columns) else {}
    shown = [by_column.get(column, column) for column in against or ()]
    if instrument.reverse is None:
        if against is None:
            return [], (f"the reversed items of {instrument.name} are not known here; none is reversed: name them",)
        text = f"the reversed items of {instrument.name} are not known here; "
        return shown, (
            text + (f"{names(shown)} run against the others" if shown else "no item runs against the others"),
        )
    own = [columns[number - 1] for number in instrument.reverse if number <= len(columns)]
    if against is None or set(shown) == set(own) or len(columns) != instrument.n_items:
        return None, ()
    if own and not shown:
        text = f"no item runs against the others: {names(own)} seem to be reversed in the file already"
        return [], (text,)
    strange = sorted(set(shown) ^ set(own), key=list(columns).index)
    return None, (f"the direction of {names(strange)} looks other than {instrument.name} has it; see `reverse:`",)


def _first_session(block: Block) -> tuple[str, ...]:
    each = len(block.held) // len(block.columns)
    return tuple(block.held[at * each] for at in range(len(block.columns)))


def _ask_unknown(unknown: Sequence[Candidate], ask: Ask) -> tuple[list[Candidate], list[str], list[Candidate]]:
    """Ask what batteries are that nothing is known of; return those answered, the single columns, and suggestions."""
    asked: list[Candidate] = []
    leftover: list[str] = []
    suggested: list[Candidate] = []
    for one in unknown:
        seen = counts(one.block)
        narrow = one.block.whole and bool(seen) and one.block.high - one.block.low <= 100
        if len(one.block.columns) < _FEWEST_ITEMS or not narrow:
            leftover.extend(one.block.held)
            continue
        text = f"What are {names(one.block.held)} (values {span(one.block.low, one.block.high)})?"
        answer = ask(Question(text, (*_ANSWERS, _LEAVE_OUT), _LEAVE_OUT))
        if answer in _ANSWERS:
            construct, rater, worse = _ANSWERS[str(answer)]
            asked.append(replace(one, construct=construct, rater=rater or one.rater, worse=worse))
        else:
            suggested.append(one)
    return asked, leftover, suggested
