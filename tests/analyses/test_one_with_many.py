"""One with many: nlme's partition, reciprocities near one, shares at zero, invariances, refusals."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, golden, rated, shuffled

from alliance_analysis.analyses.one_with_many import DIFFERENCE, DYADIC, GENERALISED, SESSION, fit_one_with_many
from alliance_analysis.result import TIDY_COLUMNS

NUMBERS = ["estimate", "std_error", "conf_low", "conf_high"]
OWN = list(TIDY_COLUMNS[1:])


def several(n_therapists=15, n_clients=8, n_sessions=4, seed=3):
    """Therapists, clients and sessions all differ, for both raters."""
    rng = np.random.default_rng(seed)
    t, c, s = (part.ravel() for part in np.indices((n_therapists, n_clients, n_sessions)))
    client = t * n_clients + c

    def pair(n, sd, r):
        x = rng.standard_normal((n, 2))
        return sd * np.column_stack([x[:, 0], r * x[:, 0] + np.sqrt(1 - r**2) * x[:, 1]])

    y = pair(n_therapists, 0.5, 0.4)[t] + pair(n_therapists * n_clients, 0.6, 0.5)[client] + pair(len(t), 0.4, 0.3)
    frame = pd.DataFrame(
        {"client": [f"c{i:03d}" for i in client], "therapist": [f"t{i:02d}" for i in t], "session": s + 1}
    )
    return frame.assign(**{CLIENT: 3.5 + y[:, 0], THERAPIST: 3.3 + y[:, 1]})


def table_of(frame, **options):
    return fit_one_with_many(frame, **options).tidy().set_index("term")


@pytest.fixture(scope="module")
def against_nlme():
    stored, frame = golden("one_with_many")
    return stored, fit_one_with_many(frame, "wai_c", "wai_t")


def test_the_likelihood_is_nlmes(against_nlme):
    stored, found = against_nlme
    assert found.fit.log_lik >= stored["model"]["logLik"] - 1e-6


def test_shares_reciprocities_and_the_mean_difference_are_nlmes(against_nlme):
    stored, found = against_nlme
    r, own = stored["variance_partition"], found.tidy().set_index("term")
    estimate = own["estimate"]
    for rater, key in (("wai_c", "client_rating"), ("wai_t", "therapist_rating")):
        assert estimate[f"{rater} ratings: therapist"] == pytest.approx(r[key]["prop_therapist"], rel=1e-3)
        assert estimate[f"{rater} ratings: client, relationship and error"] == pytest.approx(
            1 - r[key]["prop_therapist"], rel=1e-3
        )
    assert estimate[GENERALISED] == pytest.approx(r["generalized_reciprocity_r"], rel=1e-3)
    assert estimate[DYADIC] == pytest.approx(r["dyadic_reciprocity_r"], rel=1e-3)
    assert -estimate[DIFFERENCE] == pytest.approx(r["bias_mean_difference"], rel=1e-3)
    weights = np.array([1.0, -1.0])
    error = np.sqrt(weights @ np.array(stored["model"]["vcov_fixed"]["values"]) @ weights)
    assert own.loc[DIFFERENCE, "std_error"] == pytest.approx(error, rel=1e-3)


def test_variances_are_nlmes(against_nlme):
    stored, found = against_nlme
    r, table = (
        stored["variance_partition"],
        found.variance_components().set_index(["group", "term", "term2"])["estimate"],
    )
    assert table["therapist", "wai_c", ""] == pytest.approx(r["client_rating"]["therapist_partner_var"], rel=1e-3)
    assert table["therapist", "wai_t", ""] == pytest.approx(r["therapist_rating"]["therapist_actor_var"], rel=1e-3)
    assert table["residual", "wai_c", ""] == pytest.approx(r["client_rating"]["relationship_error_var"], rel=1e-3)


def test_a_reciprocity_near_one_has_an_interval_that_says_nothing_and_no_test_that_says_more(against_nlme):
    row = against_nlme[1].tidy().set_index("term").loc[GENERALISED]
    assert row["estimate"] > 0.97
    assert row["conf_low"] < 0 < row["estimate"] <= row["conf_high"] <= 1
    assert row["p_value"] > 0.05


def test_the_mean_difference_has_the_df_of_the_therapists_not_of_the_normal_distribution():
    row = table_of(several(8, 4)).loc[DIFFERENCE]
    assert 3 < row["df"] < 40
    assert row["statistic"] == pytest.approx(row["estimate"] / row["std_error"])


def test_shares_of_each_rater_add_up_to_one():
    for occasions in ("mean", "sessions"):
        own = table_of(several(), occasions=occasions)["estimate"]
        for rater in ("client", "therapist"):
            assert own[[term for term in own.index if term.startswith(f"{rater} ratings")]].sum() == pytest.approx(1)


def test_a_share_and_its_complement_have_mirrored_limits():
    own = table_of(several())
    one, rest = own.loc["client ratings: therapist"], own.loc["client ratings: client, relationship and error"]
    assert [rest["conf_low"], rest["conf_high"]] == pytest.approx([1 - one["conf_high"], 1 - one["conf_low"]], rel=1e-5)
    assert own.loc[own.index.str.contains("ratings"), ["statistic", "p_value"]].isna().all(axis=None)


def test_levels_name_what_each_number_is_about():
    levels = fit_one_with_many(several(), occasions="sessions").levels
    assert [levels[name] for name in (GENERALISED, DYADIC, SESSION, DIFFERENCE)] == [
        "between_therapist",
        "between_client",
        "within",
        "between_therapist",
    ]
    assert {level for term, level in levels.items() if "ratings" in term} == {"variance"}


@pytest.mark.parametrize(
    "change",
    [shuffled, lambda f: f.assign(client="x" + f["client"].str[::-1], therapist="y" + f["therapist"].str[::-1])],
)
@pytest.mark.parametrize("occasions", ["mean", "sessions"])
def test_order_and_ids_change_nothing(change, occasions):
    before, after = table_of(several(), occasions=occasions), table_of(change(several()), occasions=occasions)
    np.testing.assert_allclose(after[NUMBERS], before[NUMBERS], rtol=1e-3)


def test_a_constant_moves_only_the_mean_difference_and_a_scale_scales_only_it():
    frame = several()
    before = table_of(frame)
    moved = table_of(frame.assign(**{THERAPIST: frame[THERAPIST] + 1}))
    scaled = table_of(frame.assign(**{name: 10 * frame[name] for name in (CLIENT, THERAPIST)}))
    rest = before.index.drop(DIFFERENCE)
    for after in (moved, scaled):
        np.testing.assert_allclose(after.loc[rest, NUMBERS], before.loc[rest, NUMBERS], rtol=1e-3)
    assert moved.loc[DIFFERENCE, "estimate"] == pytest.approx(before.loc[DIFFERENCE, "estimate"] + 1)
    assert scaled.loc[DIFFERENCE, "estimate"] == pytest.approx(10 * before.loc[DIFFERENCE, "estimate"])


def test_swapped_raters_swap_the_shares_and_mirror_the_difference():
    frame = several()
    before, after = fit_one_with_many(frame).tidy(), fit_one_with_many(frame, THERAPIST, CLIENT).tidy()
    after = after.set_index("term").loc[before["term"]]
    sign = np.where(before["term"] == DIFFERENCE, -1, 1)
    np.testing.assert_allclose(sign * after["estimate"].to_numpy(), before["estimate"], rtol=1e-4)


def test_a_therapist_variance_at_zero_shows_neither_share_nor_what_is_left_of_it():
    frame = rated(40, 1, 8)
    names = [CLIENT, THERAPIST]
    frame[names] -= frame.groupby("therapist")[names].transform("mean")
    found = fit_one_with_many(frame)
    reason = "a variance between therapists is estimated at zero, or the raters' go together perfectly"
    assert found.withheld == {
        "client ratings: therapist": reason,
        "therapist ratings: therapist": reason,
        GENERALISED: reason,
        "client ratings: client, relationship and error": "what is left of therapist",
        "therapist ratings: client, relationship and error": "what is left of therapist",
    }
    table = found.tidy().set_index("term")
    assert table.loc[list(found.withheld), OWN].isna().all(axis=None)
    assert table.loc[[DYADIC, DIFFERENCE], "estimate"].notna().all()


def test_a_pair_that_only_one_rated_is_used_as_it_is():
    frame = several()
    frame.loc[frame["client"] == "c000", THERAPIST] = np.nan
    found = fit_one_with_many(frame)
    assert found.glance().loc[0, ["n_ratings", "n_client", "n_therapist"]].tolist() == [239, 120, 15]


def test_different_scales_withhold_the_mean_difference():
    found = fit_one_with_many(several(), not_comparable="the raters answer different items")
    assert found.withheld == {DIFFERENCE: "the raters answer different items"}
    assert found.tidy().set_index("term").loc[DIFFERENCE, OWN].isna().all()


def test_the_bootstrap_gives_the_same_estimates_and_can_be_made_again():
    found = fit_one_with_many(several())
    one, two = (found.bootstrap(20, seed=4).set_index("term") for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    np.testing.assert_allclose(one["estimate"], found.tidy().set_index("term")["estimate"], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.drop(columns="therapist"), "the sessions have no therapist ids"),
        (
            lambda f: f.assign(therapist="t"),
            "1 therapists have two or more clients whose sessions both rated; at least 5 are needed",
        ),
        (
            lambda f: f.assign(**{CLIENT: np.nan}),
            "0 therapists have two or more clients whose sessions both rated; at least 5 are needed",
        ),
        (lambda f: f.assign(**{CLIENT: 4.0}), "alliance_client is the same in all 480 sessions that both rated"),
        (
            lambda f: f.assign(therapist=f["therapist"].where(f["client"] != "c001")),
            "4 of 480 sessions that both rated have no therapist id",
        ),
    ],
)
def test_data_without_several_clients_of_a_therapist_are_refused(change, reason):
    found = fit_one_with_many(change(several()))
    assert found.withheld == dict.fromkeys(found.terms, reason)
    assert found.tidy()[OWN].isna().all(axis=None)
    assert found.variance_components().empty
    assert found.bootstrap(5).empty


@pytest.mark.parametrize(
    "change", [lambda f: f.assign(**{THERAPIST: f[CLIENT]}), lambda f: f.assign(**{THERAPIST: f[CLIENT] - 0.5})]
)
@pytest.mark.parametrize("occasions", ["mean", "sessions"])
def test_identical_ratings_give_no_number(change, occasions):
    found = fit_one_with_many(change(rated()), occasions=occasions)
    assert set(found.withheld) == set(found.terms)
    assert found.tidy()[OWN].isna().all(axis=None)
    assert found.variance_components().empty


def test_one_session_per_client_does_not_tell_pairs_from_sessions():
    found = fit_one_with_many(rated(40, 1, 8), occasions="sessions")
    assert set(found.withheld) == set(found.terms)
    assert found.tidy()[OWN].isna().all(axis=None)
