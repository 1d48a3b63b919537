"""Convergence: the course of the difference and of its size, session by session, refusals."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, rated, renamed, shuffled

from alliance_analysis.analyses.convergence import describe_agreement_by_session, fit_convergence
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.result import TIDY_COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
OWN = list(TIDY_COLUMNS[1:])


class Scales:
    same_range, reason = True, "the raters answer different items."


def closing(rate=0.3, seed=1):
    """The therapist's rating rises toward the client's by `rate` per unit of log(session)."""
    frame = rated(60, 8, 12, seed, bias=-1.0)
    return frame.assign(**{THERAPIST: frame[THERAPIST] + rate * np.log(frame["session"])})


def test_the_rate_of_closing_is_recovered_from_difference_and_distance():
    row = fit_convergence(closing()).tidy().set_index("term").loc["log_time"]
    assert row["conf_low"] < 0.3 < row["conf_high"]
    assert fit_convergence(closing(), distance=True).tidy().set_index("term").loc["log_time", "estimate"] < -0.1


def test_it_is_a_mixed_model_of_the_difference():
    frame = closing().drop(columns="therapist")
    own = fit_convergence(frame).tidy()
    data = frame.assign(gap=frame[THERAPIST] - frame[CLIENT], log_time=np.log(frame["session"]))
    other = fit_mixed("gap ~ log_time + (1 + log_time | client)", data).tidy()
    np.testing.assert_allclose(own[OWN], other[OWN], rtol=1e-5)


@pytest.mark.parametrize(
    "change", [shuffled, renamed, lambda f: f.assign(**{c: f[c] + 3 for c in (CLIENT, THERAPIST)})]
)
def test_order_ids_and_a_common_constant_change_nothing(change):
    before, after = (fit_convergence(f).tidy()[OWN] for f in (closing(), change(closing())))
    np.testing.assert_allclose(after, before, rtol=1e-3)


def test_swapped_raters_and_a_constant_on_one_mirror_and_move_the_difference():
    before = fit_convergence(closing()).tidy()["estimate"]
    swapped = fit_convergence(closing(), THERAPIST, CLIENT).tidy()["estimate"]
    np.testing.assert_allclose(swapped, -before, rtol=1e-4)
    moved = fit_convergence(closing().assign(**{THERAPIST: lambda f: f[THERAPIST] + 2})).tidy()["estimate"]
    np.testing.assert_allclose(moved, np.add(before, [2.0, 0.0]), rtol=1e-4)


def test_a_scale_scales_the_rate():
    ten = closing().assign(**{CLIENT: lambda f: 10 * f[CLIENT], THERAPIST: lambda f: 10 * f[THERAPIST]})
    np.testing.assert_allclose(
        fit_convergence(ten).tidy()["estimate"], 10 * fit_convergence(closing()).tidy()["estimate"], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda f: f[f["session"] == 1], {}, "0 clients have two sessions that both rated; at least 10 are needed"),
        (
            lambda f: f.assign(**{CLIENT: np.nan}),
            {},
            "0 clients have two sessions that both rated; at least 10 are needed",
        ),
        (
            lambda f: f[f["client"].isin(["c00", "c01"])],
            {},
            "2 clients have two sessions that both rated; at least 10 are needed",
        ),
        (lambda f: f, {"scales": Scales()}, "the raters answer different items"),
        (
            lambda f: f.assign(**{THERAPIST: f[CLIENT]}),
            {},
            "difference: the outcome is constant (0) in the 480 rows used. Choose an outcome that varies",
        ),
    ],
)
def test_what_has_no_course_gives_no_number_and_the_reason(change, options, reason):
    found = fit_convergence(change(closing()), **options)
    assert found.withheld == {"log_time": reason}
    assert found.tidy()[OWN].isna().all(axis=None)


def test_agreement_by_session_is_that_of_the_clients_seen_then():
    frame = closing()
    frame = frame[~((frame["session"] == 8) & (frame["client"] >= "c04"))]
    table = describe_agreement_by_session(frame).set_index("session")
    assert list(table.index) == list(range(1, 8))  # 4 clients in session 8 are too few
    third = frame[frame["session"] == 3]
    assert table.loc[3, "mean_difference"] == pytest.approx((third[THERAPIST] - third[CLIENT]).mean())
    assert table.loc[3, "sd_difference"] == pytest.approx((third[THERAPIST] - third[CLIENT]).std())
    assert table.loc[3, "correlation"] == pytest.approx(third[CLIENT].corr(third[THERAPIST]))


def test_correlations_need_twice_the_clients_and_ratings_that_vary():
    few = rated(7, 2, 7)
    assert describe_agreement_by_session(few)["correlation"].isna().all()
    flat = rated(20, 2).assign(**{CLIENT: 4.0})
    assert describe_agreement_by_session(flat)["correlation"].isna().all()
    assert describe_agreement_by_session(few.assign(**{CLIENT: np.nan})).empty
    assert isinstance(describe_agreement_by_session(few), pd.DataFrame)
