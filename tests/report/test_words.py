"""What the reports say: no word claims a cause (METHODS 0.10), and every verdict word is reached by a study made for it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from lxml import html as lxml_html

from alliance_analysis.analyses.early import fit_early_alliance
from alliance_analysis.estimands import early_alliance_estimand
from alliance_analysis.published import VERDICTS, judge_replication, load_published
from alliance_analysis.report.run import run_reports
from alliance_analysis.report.statements import state_early_alliance

CLAIMS = re.compile(
    r"\b(effects? of|leads? to|led to|improve[sd]?|improving|because|comes? first|brings? about)\b", re.I
)
# the box on causes says what would have to hold; titles of the literature and code are not our sentences
NOT_OURS = (
    "//section[@aria-labelledby='causes']",
    "//section[@aria-labelledby='references']",
    "//details",
    "//script",
    "//style",
)


def claims(text):
    return [text[max(0, found.start() - 40) : found.end() + 40] for found in CLAIMS.finditer(text)]


def own_words(page):
    tree = lxml_html.fromstring(page)
    for path in NOT_OURS:
        for node in tree.xpath(path):
            node.drop_tree()
    alts = " ".join(tree.xpath("//@alt") + tree.xpath("//@aria-label"))
    return f"{tree.text_content()} {alts}"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    few = {"n_simulations": "2", "n_bootstrap": "20"}
    return run_reports("example", out=tmp_path_factory.mktemp("example"), parameters=few).folder


def test_the_lint_finds_a_claim():
    assert claims("The effect of the alliance leads to change because it improves.") != []
    assert len(claims("An alliance that comes first brings about a good end.")) == 2


@pytest.mark.slow
def test_no_page_claims_a_cause(example):
    pages = sorted(example.glob("*.html"))
    assert len(pages) > 5
    assert {page.name: claims(own_words(page.read_text("utf-8"))) for page in pages} == {
        page.name: [] for page in pages
    }


@pytest.mark.slow
def test_no_headline_or_withheld_reason_claims_a_cause(example):
    for path in example.glob("*.results.json"):
        results = json.loads(path.read_text("utf-8"))
        said = [text for kind in ("headlines", "withheld", "checks", "verdicts") for row in results[kind]
                for name, text in row.items() if isinstance(text, str) and name != "citation"]  # fmt: skip
        assert [claims(text) for text in said if claims(text)] == []


def study_with(r, n_clients, seed=1):
    """Sessions of clients whose early alliance and end state correlate by exactly r, with no therapists."""
    x, noise = np.linalg.qr(np.random.default_rng(seed).normal(size=(n_clients, 3)))[0][:, :2].T
    x, noise = (value - value.mean() for value in (x, noise))
    noise = noise - x * (x @ noise) / (x @ x)
    end = r * x / np.linalg.norm(x) + np.sqrt(1 - r**2) * noise / np.linalg.norm(noise)
    start = np.random.default_rng(seed + 1).normal(size=n_clients)
    clients = pd.DataFrame({"client": [f"c{i}" for i in range(n_clients)], "symptoms_post": 20 + 30 * end})
    sessions = clients[["client"]].merge(pd.DataFrame({"session": [1, 2, 3, 4]}), how="cross")
    of = sessions["client"].str[1:].astype(int).to_numpy()
    wobble = np.random.default_rng(seed + 2).normal(size=(n_clients, 4)).ravel()
    sessions["alliance_client"] = 3 + 5 * x[of]
    sessions["symptoms"] = 20 + start[of] + wobble
    return sessions, clients


CASES = [
    (-0.28, 200, {}, "consistent with signal", "goes with lower"),
    (-0.10, 40, {}, "consistent without signal (cannot tell)", "cannot tell whether"),
    (-0.05, 3000, {}, "weaker", "goes with lower"),
    (-0.75, 100, {}, "stronger", "goes with lower"),
    (0.30, 200, {}, "opposite", "goes with higher"),
    (-0.01, 3000, {"sesoi": 0.10}, "practically none", "cannot tell whether"),
    (-0.28, 200, {"simulated": True}, "not comparable", "simulated data is never evidence"),
]


@pytest.mark.parametrize(("r", "n_clients", "options", "word", "said"), CASES)
def test_every_verdict_word_is_said_of_a_study_made_for_it(r, n_clients, options, word, said):
    early = fit_early_alliance(*study_with(r, n_clients))
    row = early.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(r, abs=1e-9)
    published = load_published(ids=["M01"])
    verdicts = judge_replication(row, early_alliance_estimand(), published, **options)
    assert verdicts["verdict"].item() == word
    assert word in VERDICTS
    sentence = state_early_alliance(early, verdicts, pd.DataFrame({"check": [], "status": []})).sentence
    assert word in sentence
    assert said in sentence
    assert claims(sentence) == []


def test_no_number_is_said_of_a_figure_without_direction():
    early = fit_early_alliance(*study_with(-0.28, 200))
    unsigned = load_published(ids=["M01"]).assign(benefit_sign=np.nan)
    verdicts = judge_replication(early.tidy().iloc[0], early_alliance_estimand(), unsigned)
    assert verdicts["verdict"].item() == "no number"


def test_no_verdict_word_is_without_a_study():
    assert set(VERDICTS) == {word for *_, word, _ in CASES} | {"no number"}
