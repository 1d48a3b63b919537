"""Figures: units on axes, nothing global, and no client's own value in an SVG."""

import io
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.describe import describe_missing
from alliance_analysis.plots import estimates
from alliance_analysis.plots import sessions as session_plots
from alliance_analysis.plots.axes import smooth_quantile


@pytest.fixture
def sessions():
    rng = np.random.default_rng(8)
    client, session = (a.ravel() for a in np.indices((31, 6)))
    return pd.DataFrame({"client": client, "session": session + 1, "x": rng.normal(10, 3, client.size)})


def svg_of(ax):
    buffer = io.StringIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def drawn_y(ax):
    """Every y coordinate of the figure, turned back into data units."""
    ax.figure.set_dpi(72)  # an SVG has 72 units to the inch, from the top
    numbers = re.findall(r"[ML]\s*(-?[\d.]+) (-?[\d.]+)", svg_of(ax))
    height = ax.figure.get_size_inches()[1] * 72
    # collections are drawn once from below the page and then moved up by its height
    pixels = np.array([[0, height - float(y) if float(y) >= 0 else -float(y)] for _, y in numbers])
    return ax.transData.inverted().transform(pixels)[:, 1]


def test_a_course_draws_no_clients_own_value(sessions):
    ax = session_plots.plot_course(sessions, "x", min_cell=5)
    at = drawn_y(ax)
    for session in sessions["session"].unique():
        own = sessions.loc[sessions["session"] == session, "x"].to_numpy()
        for q in (0.1, 0.25, 0.5, 0.75, 0.9):
            drawn = smooth_quantile(pd.Series(own), q)
            assert np.abs(at - drawn).min() < 0.02  # the coordinates were read correctly ...
            assert np.abs(own - drawn).min() > 1e-4  # ... and are nobody's value


def test_harrell_davis_quantiles_agree_with_the_population():
    values = pd.Series(np.random.default_rng(1).normal(size=4000))
    assert smooth_quantile(values, 0.5) == pytest.approx(0, abs=0.05)
    assert smooth_quantile(values, 0.9) == pytest.approx(1.2816, abs=0.08)
    assert smooth_quantile(pd.Series([3.0, 3.0, 3.0]), 0.25) == pytest.approx(3)


def test_cells_below_the_smallest_group_are_not_drawn(sessions):
    few = sessions[(sessions["session"] < 3) | (sessions["client"] < 3)]
    ax = session_plots.plot_course(few, "x", min_cell=5)
    assert max(ax.lines[0].get_xdata()) == 2
    assert len(session_plots.plot_attendance(few, min_cell=5).patches) == 2


def test_binned_points_are_means_of_groups_and_nobodys_value():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(size=57), "b": rng.normal(size=57)})
    ax = estimates.plot_binned(table, "a", "b", labels={"a": "A (points)"}, min_cell=5)
    x, y = ax.lines[0].get_data()
    assert ax.get_xlabel() == "A (points)"
    assert len(x) == 5
    assert np.abs(np.subtract.outer(x, table["a"].to_numpy())).min() > 1e-6
    assert np.average(y, weights=[12, 11, 12, 11, 11]) == pytest.approx(table["b"].mean())


def test_groups_grow_with_the_smallest_group_allowed():
    table = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0)})
    assert len(estimates.plot_binned(table, "a", "b", min_cell=30).lines[0].get_xdata()) == 2


def test_axes_carry_what_is_drawn(sessions):
    assert session_plots.plot_course(sessions, "x", label="Scale X (0 to 20)").get_ylabel() == "Scale X (0 to 20)"
    assert session_plots.plot_attendance(sessions).get_ylabel() == "Clients with data"
    shares = pd.DataFrame({"measure": ["x", "x"], "level": ["between clients", "within clients"], "share": [0.4, 0.6]})
    assert session_plots.plot_variance_shares(shares).get_xlabel() == "Share of variance (%)"
    missing = describe_missing(sessions.assign(x=sessions["x"].where(sessions["x"] > 8)), ["x"])
    assert session_plots.plot_missing(missing).get_xlabel() == "Session number"


def test_estimates_are_drawn_with_their_intervals_in_order():
    table = pd.DataFrame(
        {"term": ["a", "b"], "estimate": [1.0, -1.0], "conf_low": [0.5, -2.0], "conf_high": [1.5, 0.0]}
    )
    ax = estimates.plot_estimates(table)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    np.testing.assert_array_equal(ax.collections[0].get_segments()[1][:, 0], [-2.0, 0.0])


def test_a_given_axes_is_drawn_on(sessions):
    ax = session_plots.plot_attendance(sessions)
    assert session_plots.plot_course(sessions, "x", ax=ax) is ax


def effects(n, seed=6):
    names = [f"Dr. {k}" for k in range(n)]
    return pd.DataFrame({"level": names, "estimate": np.random.default_rng(seed).normal(0.0, 2.0, n)})


def test_effects_of_therapists_are_drawn_as_bands_without_names_order_or_single_persons():
    table = effects(30)
    ax = estimates.plot_effects(table, label="Deviation (points)")
    drawn = np.concatenate([line.get_xdata() for line in ax.lines[:3]])
    assert ax.get_xlabel() == "Deviation (points)"
    assert "Dr." not in svg_of(ax)
    assert not np.isclose(drawn[:, None], table["estimate"].to_numpy(), atol=1e-9).any()
    assert table["estimate"].min() < drawn.min() < table["estimate"].median() < drawn.max() < table["estimate"].max()
    turned = estimates.plot_effects(table.sample(frac=1, random_state=1))
    np.testing.assert_allclose(np.concatenate([line.get_xdata() for line in turned.lines[:3]]), drawn)


@pytest.mark.parametrize(("n", "drawn"), [(19, False), (20, True), (0, False)])
def test_fewer_than_twenty_therapists_are_not_drawn_and_the_figure_says_so(n, drawn):
    ax = estimates.plot_effects(effects(n))
    assert bool(ax.lines) is drawn
    words = [text.get_text() for text in ax.texts]
    assert words == ([] if drawn else ["fewer than 20 therapists: not drawn"])
    if not drawn:
        assert not ax.lines


def test_effects_are_drawn_on_a_given_axes(sessions):
    ax = session_plots.plot_attendance(sessions)
    assert estimates.plot_effects(effects(24), ax=ax) is ax


def test_axis_labels_of_estimates_do_not_run_together_beside_long_names():
    table = pd.DataFrame({"term": ["raw values, earlier symptoms, first values"], "estimate": [-0.1]})
    ax = estimates.plot_estimates(table.assign(conf_low=-0.2, conf_high=0.0))
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
    shown = [box for box in boxes if ax.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= ax.bbox.x1 + 1]
    assert len(shown) >= 3
    assert all(left.x1 < right.x0 for left, right in pairwise(shown))


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"term": [], "estimate": [], "conf_low": [], "conf_high": []}),
        pd.DataFrame({"term": ["a"], "estimate": [np.nan], "conf_low": np.nan, "conf_high": np.nan}),
    ],
)
def test_estimates_that_are_all_withheld_leave_a_note_in_place_of_a_figure(table):
    ax = estimates.plot_estimates(table)
    assert ax.texts[0].get_text() == "no estimate may be shown: not drawn"
    assert not ax.lines
