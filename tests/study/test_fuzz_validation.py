"""Whatever stands in a study file or its data: problems or a study, never another exception, never a hang."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_analysis.errors import DataError
from alliance_analysis.report import check_page
from alliance_analysis.study.examine import examine_study
from alliance_analysis.study.validate import check_study

HANGS_MS = 20_000  # a check of ten rows takes milliseconds; two shared processors may be slow
EXAMPLES = 80

ids = st.sampled_from(
    ["c1", "c2", "c3", "", "NA", "NaN", "Maria Huber", "1985-03-12", "0", "1.0", "c1 ", "محمد", "王小明"]
)
numbers = st.one_of(
    st.integers(-2, 30),
    st.sampled_from([99, -9, 10**30, -(10**18), 2**63, 1e308, 1.5, 0.1 + 0.2]),
    st.floats(allow_nan=True, allow_infinity=True),
)
texts = st.one_of(
    st.sampled_from(
        ["=1+1", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-", "five", "3,5", "1.234,5", "", " ", "NA", "k.A.", "None",
         "true", "٣", "３", "½", "1e999", "0x1F", "1_000", "\u200b", "\ufeff", "NULL", "#REF!", "2024-02-30", "31.12.2023",
         "T1", "post", "dropout", "he said \"no\"", "a\nb", "a;b", "a,b", "\t"]
    ),
    st.text(max_size=12),
)  # fmt: skip
cells = st.one_of(numbers, texts, ids)
headers = st.one_of(
    st.sampled_from(["client", "therapist", "session", "date", "phase", "status", "alliance_client", "symptoms", "w1", "w2",
                     "w3", "w4", "w5", "w6", "العميل", "会话", "Größe", "PHQ_T1", "PHQ_T2", "time", "item:w1", "raters:"]),
    st.text(min_size=1, max_size=8),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A csv of some rows, usually with the columns a study needs, sometimes with rows twice or cut short."""
    names = draw(st.lists(headers, max_size=6))
    if draw(st.integers(0, 4)):
        names = ["client", "session", "alliance_client", "symptoms", *names]
    if draw(st.integers(0, 5)):
        names = list(dict.fromkeys(names))
    column = {"client": ids, "session": st.one_of(st.integers(1, 4), cells)}
    rows = draw(st.lists(st.tuples(*(column.get(name, cells) for name in names)), max_size=9))
    if rows and draw(st.booleans()):
        rows += [rows[0]] * draw(st.integers(1, 3))
    written = io.StringIO()
    writer = csv.writer(written, delimiter=draw(st.sampled_from([",", ";", "\t"])))
    writer.writerows([names, *rows])
    text = written.getvalue()
    return text if draw(st.integers(0, 9)) else text[: draw(st.integers(0, len(text)))]


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 100), st.floats(), st.text(max_size=6), headers,
    st.sampled_from(["mean", "sum", "before", "after", "same_person", "date", "rows", "PHQ-9", "WAI-SR", 10**40, "{session}"]),
)  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(headers, inner, max_size=3), max_leaves=8
)
item_lists = st.lists(st.sampled_from(["w1", "w2", "w3", "w4", "w5", "w6"]), min_size=1, max_size=6)
measure = st.fixed_dictionaries(
    {},
    optional={
        "instrument": st.sampled_from(["PHQ-9", "WAI-SR", "ORS", "none"]) | anything,
        "column": headers | anything,
        "items": item_lists | anything,
        "reverse": item_lists | anything,
        "range": st.sampled_from([[0, 27], [1, 5], None, [5, 1]]) | anything,
        "score": st.sampled_from(["mean", "sum"]) | anything,
        "higher_is_worse": st.booleans() | anything,
        "collected": st.sampled_from(["before", "after"]) | anything,
        "missing": st.lists(st.sampled_from([99, -9, "k.A."])) | anything,
        "answers": st.dictionaries(st.integers(-2, 5) | scalars, st.text(max_size=4) | anything, max_size=4) | anything,
        "centred": st.booleans(),
        "rater": st.sampled_from(["client", "therapist"]),
        "min_answered": st.floats(0, 2),
    },
)
study_files = st.fixed_dictionaries(
    {
        "data": st.sampled_from(
            ["sessions.csv", ["sessions.csv", "clients.csv"], {"file": "sessions.csv"}, "nowhere.csv"]
        ),
        "measures": st.dictionaries(
            st.sampled_from(["alliance_client", "alliance_therapist", "symptoms", "symptoms_post", "mood"]), measure
        )
        | anything,
    },
    optional={
        "clients": st.just("clients.csv") | anything,
        "missing": st.lists(scalars, max_size=3) | anything,
        "columns": st.dictionaries(
            st.sampled_from(["client", "therapist", "session", "date", "phase", "status", "therapy_end", "episode"]),
            headers,
        )
        | anything,
        "raters": st.fixed_dictionaries({"column": headers, "client": headers, "therapist": headers}) | anything,
        "session_numbers": st.sampled_from([{"from": "date"}, {"from": "rows"}, {"from": "date", "interval_days": 7}])
        | anything,
        "words": st.fixed_dictionaries(
            {}, optional={"phase": st.dictionaries(st.sampled_from(["intake", "treatment", "post"]), st.lists(headers))}
        )
        | anything,
        "episodes": st.sampled_from(["separate", "first"]) | anything,
        "repeated_client_ids": st.sampled_from(["same_person", "different_people"]) | anything,
        "report": anything,
        "study": st.just({"title": "T"}) | anything,
        "plan": anything,
    },
)
good_study = {
    "data": "sessions.csv",
    "measures": {
        "alliance_client": {"instrument": "WAI-SR", "collected": "after"},
        "symptoms": {"instrument": "PHQ-9", "collected": "before"},
    },
}


@pytest.fixture(autouse=True, scope="module")
def without_git() -> Iterator[None]:
    """Do not ask git for the commit of the checkout at every example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_page, "commit", lambda: None)
        yield


def hold(study: Any, sessions: str, clients: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = study if isinstance(study, str) else yaml.safe_dump(study, allow_unicode=True)
        (folder / "study.yml").write_text(text, encoding="utf-8", errors="surrogatepass")
        for file, content in (("sessions.csv", sessions), ("clients.csv", clients)):
            (folder / file).write_text(content, encoding="utf-8", newline="")
        try:
            examined = examine_study(folder / "study.yml")
        except DataError as error:
            assert str(error)
            return
        assert (examined.study is None) == bool(examined.stops)
        assert bool(check_study(folder / "study.yml")) == bool(examined.stops)
        assert all(problem.text and problem.severity != "note" for problem in examined.problems)
        assert all(isinstance(yaml.safe_load(problem.fix), dict) for problem in examined.problems if problem.fix)
        assert "</html>" in check_page.check_html(examined)


@settings(max_examples=EXAMPLES, deadline=HANGS_MS)
@given(tables(), tables())
def test_any_data_under_a_good_study_file(sessions: str, clients: str) -> None:
    hold(good_study | {"clients": "clients.csv"}, sessions, clients)


@settings(max_examples=EXAMPLES, deadline=HANGS_MS)
@given(study_files, tables(), tables())
def test_any_study_file_over_any_data(study: dict[str, Any], sessions: str, clients: str) -> None:
    hold(study, sessions, clients)


@settings(max_examples=EXAMPLES, deadline=HANGS_MS)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_as_a_study_file(text: str) -> None:
    hold(text, "client,session,alliance_client\nc1,1,2\nc1,2,3\n", "client\nc1\n")
