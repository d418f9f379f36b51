"""Charts: small, deterministic SVG without anything that loads, for any finite scores."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vestige.report import charts

SUSPECTS = np.random.default_rng(0).normal(0.7, 1, 80)
CHECKS = np.random.default_rng(1).normal(0, 1, 60)
ONE_EACH = (np.arange(80), np.arange(60) + 1000)


def drawings() -> list[str]:
    return [
        charts.histogram(SUSPECTS, CHECKS, "training images"),
        charts.histogram(SUSPECTS, CHECKS[:0], "training images"),
        charts.roc(SUSPECTS, CHECKS, *ONE_EACH, seed=0),
    ]


def test_charts_are_deterministic_small_and_offline(make_result: Any) -> None:
    result = make_result("leak found")
    more = (charts.auc_line(result.set_test), charts.release_curve(result.release_curve))
    first = [*drawings(), *more]
    again = (charts.auc_line(result.set_test), charts.release_curve(result.release_curve))
    assert first == [*drawings(), *again]
    for svg in first:
        assert svg.startswith("<svg") and svg.endswith("</svg>")
        assert len(svg) < 60_000
        for word in ("http", "url(", "<style", "<metadata", "<!", "<image", "<script"):
            assert word not in svg
        assert "<text" in svg  # text stays text


def test_charts_leave_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawings()
    assert dict(mpl.rcParams) == before


finite = st.floats(-1e99, 1e99)


@given(hnp.arrays(float, st.integers(1, 30), elements=finite))
@settings(max_examples=200, deadline=None)
def test_score_range_can_be_cut_into_bars(scores: Any) -> None:
    assert charts.drawable(scores)
    low, high, gathered = charts.score_range(scores)
    edges = np.linspace(low, high, charts.BINS + 1)
    assert (np.diff(edges) > 0).all()
    counted = np.histogram(np.clip(scores, low, high), edges)[0].sum()
    assert counted == scores.size
    if not gathered:
        assert low <= scores.min() and scores.max() <= high


def test_far_outliers_do_not_squeeze_the_histogram() -> None:
    scores = np.r_[np.linspace(0, 1, 101), 1000.0]
    low, high, gathered = charts.score_range(scores)
    assert gathered and low == 0 and 1 < high < 10
    assert charts.score_range(scores[:-1]) == (0.0, 1.0, False)


@pytest.mark.parametrize("scores", [np.zeros(0), np.array([1e200]), np.array([0.0, -1e100])])
def test_what_cannot_be_drawn(scores: Any) -> None:
    assert not charts.drawable(scores)


def test_histogram_shows_shares_of_each_side() -> None:
    shares = charts._shares(np.array([0.0, 0.1, 0.9, 5.0]), np.linspace(0, 1, 3))
    assert shares.tolist() == [50.0, 50.0]


def test_roc_of_a_perfect_score_reaches_the_corner() -> None:
    svg = charts.roc(np.ones(12), np.zeros(12), np.arange(12), np.arange(12) + 50, seed=0)
    assert re.search(r"guessing", svg) and "95 % band" in svg
