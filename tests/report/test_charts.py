"""Charts: small, deterministic SVG without anything that loads, for any finite scores."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vestige
from vestige.report import charts, svg
from vestige.schema.records import PlantedLevel

SUSPECTS = np.random.default_rng(0).normal(0.7, 1, 80)
CHECKS = np.random.default_rng(1).normal(0, 1, 60)
ONE_EACH = (np.arange(80), np.arange(60) + 1000)


def drawings() -> list[str]:
    return [
        charts.histogram(SUSPECTS, CHECKS, "training images"),
        charts.histogram(SUSPECTS, CHECKS[:0], "training images"),
        *(
            charts.roc(charts.roc_of(SUSPECTS, CHECKS, *ONE_EACH, seed=0), log)
            for log in (False, True)
        ),
        charts.strips([SUSPECTS[:3], SUSPECTS[3:4]], CHECKS, 1.6),
        charts.ladder([PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("blend_70", 20, 3, 0)]),
    ]


def test_charts_are_deterministic_small_and_offline(make_result: Any) -> None:
    result = make_result("leak found")
    more = (charts.auc_line(result.set_test), charts.release_curve(result.release_curve))
    first = [*drawings(), *more]
    again = (charts.auc_line(result.set_test), charts.release_curve(result.release_curve))
    assert first == [*drawings(), *again]
    for drawn in first:
        assert drawn.startswith("<svg") and drawn.endswith("</svg>")
        assert len(drawn) < 30_000
        for word in ("http", "url(", "<style", "<metadata", "<!", "<image", "<script", " id="):
            assert word not in drawn
        assert "<text" in drawn  # text stays text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.4, 1.0, ["0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]),
        (-3.1, 3.9, ["-2", "0", "2"]),
        (0.0, 1e9, ["0", "2e+08", "4e+08", "6e+08", "8e+08", "1e+09"]),
        (0.0, 0.12, ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10", "0.12"]),
        (0.0, 0.15, ["0.00", "0.05", "0.10", "0.15"]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, words: list[str]) -> None:
    ticks = svg.linear(low, high).ticks
    assert [word for _, word in ticks] == words
    assert all(low - 1e-9 <= value <= high + 1e-9 for value, _ in ticks)


def test_logarithmic_axes_begin_below_one_image() -> None:
    scale = svg.decades(1 / 236)
    assert [word for _, word in scale.ticks] == ["0.001", "0.01", "0.1", "1"]
    places = scale.at(np.array([0.0, 0.001, 0.1, 1.0]))
    assert places == pytest.approx([0, 0, 2 / 3, 1])


IMPORTED = re.compile(r"^([ ]*)(?:import|from) (\w+)", re.MULTILINE)


def test_a_path_keeps_its_corners_only() -> None:
    plot = svg.Plot(svg.linear(0, 4), svg.linear(0, 4), (40, 40), (0, 0), 0)
    plot.line(np.array([0.0, 1, 2, 2, 2, 4]), np.array([0.0, 0, 0, 1, 3, 3]), "red")
    assert 'd="M0 50L20 50L20 20L40 20"' in plot.svg("")


def test_no_part_of_vestige_imports_a_plotting_library_but_when_a_plot_is_drawn() -> None:
    source = Path(vestige.__file__).parent
    imported: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        for blanks, name in IMPORTED.findall(path.read_text(encoding="utf-8")):
            imported.setdefault(name, set()).add(f"{len(blanks)} {path.name}")
    assert "0 svg.py" in imported["numpy"]
    assert imported["matplotlib"] == {"8 plots.py", "4 figures.py"}


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
    curve = charts.roc_of(np.ones(12), np.zeros(12), np.arange(12), np.arange(12) + 50, seed=0)
    assert "guessing" in charts.roc(curve) and "95 % band" in charts.roc(curve)
    assert curve.at() == [(rate, 1.0, 1.0, 1.0) for rate in charts.RATES]


def test_the_table_of_the_roc_holds_its_points_inside_the_band() -> None:
    curve = charts.roc_of(SUSPECTS, CHECKS, *ONE_EACH, seed=0)
    for rate, found, low, high in curve.at():
        threshold = np.sort(CHECKS)[::-1][int(rate * 60 + 1e-9)]
        assert found == pytest.approx((threshold < SUSPECTS).mean())
        assert low <= found + 1e-9 and found <= high + 1e-9
