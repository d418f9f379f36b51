"""rank_average keeps the promise of a p-value, whatever the columns and their ties."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare, norm, rankdata

from vestige.choices import InputError
from vestige.stats.calibration import conformal_p_values
from vestige.stats.combine import pooled_rank_score, rank_average
from vestige.types import Floats

CHECK = settings(deadline=None, derandomize=True, max_examples=60)
TIED = st.integers(-3, 3).map(float)


def p_values(
    judged: Floats, controls: Floats, weights: Any = None, control_groups: Any = None
) -> Floats:
    judged, controls = np.atleast_2d(judged), np.atleast_2d(controls)
    weights = np.ones(judged.shape[1]) if weights is None else np.asarray(weights, float)
    groups = np.arange(len(controls)) if control_groups is None else np.asarray(control_groups)
    return rank_average(judged, controls, weights, np.full(len(judged), -1), groups)[1]


@st.composite
def one_column(draw: Any) -> tuple[Floats, Floats, Any]:
    n, c = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    return (
        draw(arrays(np.float64, (n, 1), elements=TIED)),
        draw(arrays(np.float64, (c, 1), elements=TIED)),
        np.array(draw(st.lists(st.integers(0, 4), min_size=c, max_size=c))),
    )


@CHECK
@given(one_column())
def test_one_column_gives_the_plain_conformal_p_value(case: tuple[Floats, Floats, Any]) -> None:
    judged, controls, groups = case
    wanted = conformal_p_values(judged[:, 0], controls[:, 0])
    np.testing.assert_allclose(p_values(judged, controls), wanted, rtol=1e-12)
    wanted = conformal_p_values(judged[:, 0], controls[:, 0], groups)
    found = p_values(judged, controls, control_groups=groups)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def columns(least: int, most: int, d: int = 3) -> st.SearchStrategy[Floats]:
    return st.integers(least, most).flatmap(lambda n: arrays(np.float64, (n, d), elements=TIED))


@CHECK
@given(columns(2, 12), st.lists(st.sampled_from([1.0, 8.0, 3.0]), min_size=3, max_size=3))
def test_false_alarms_stay_within_the_promise(rows: Floats, weights: list[float]) -> None:
    # every row is the judged image once: at most `allowed` of n may reach allowed / n
    n = len(rows)
    p = np.array([p_values(rows[i], np.delete(rows, i, axis=0), weights)[0] for i in range(n)])
    for allowed in range(n + 1):
        assert (p <= allowed / n + 1e-12).sum() <= allowed


@CHECK
@given(columns(2, 10), columns(1, 4), st.integers(0, 2))
def test_increasing_maps_of_a_column_change_nothing(
    controls: Floats, judged: Floats, column: int
) -> None:
    before = rank_of(judged, controls)
    mapped = [rows.copy() for rows in (judged, controls)]
    for rows in mapped:
        rows[:, column] = np.exp(rows[:, column]) + 5 * rows[:, column] ** 3
    for found, wanted in zip(rank_of(*mapped), before, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def rank_of(judged: Floats, controls: Floats) -> tuple[Floats, Floats, Floats]:
    return rank_average(
        judged,
        controls,
        np.array([8.0, 1.0, 1.0]),
        np.full(len(judged), -1),
        np.arange(len(controls)),
    )


@CHECK
@given(columns(2, 9), columns(1, 4))
def test_equals_mid_ranks_by_scipy(controls: Floats, judged: Floats) -> None:
    weights = np.array([0.8, 0.1, 0.1])
    scores, p, of_controls = rank_of(judged, controls)
    n = len(controls) + 1
    for i, x in enumerate(judged):
        ranks = rankdata(np.vstack([controls, x]), axis=0) @ weights
        wanted = (np.round(ranks, 9) >= np.round(ranks[-1], 9)).mean()
        assert p[i] == pytest.approx(wanted)
        assert scores[i] == pytest.approx(norm.ppf((ranks[-1] - 0.5) / n))
    among = (rankdata(controls, axis=0) - 0.5) @ weights / len(controls)
    np.testing.assert_allclose(of_controls, norm.ppf(among), atol=1e-9)


def test_exactly_uniform_when_exchangeable() -> None:
    # 10,000 audits of one unused image and 9 controls, three columns that depend on each other;
    # chi-square over {1/10, ..., 1}: a right rule fails with probability 1e-4
    rng = np.random.default_rng(3)
    found = np.empty(10_000)
    for i in range(len(found)):
        shared = rng.standard_normal((10, 1))
        rows = shared + rng.standard_normal((10, 3)) * [0.3, 1.0, 3.0]
        found[i] = p_values(rows[0], rows[1:], [8, 1, 1])[0]
    counts = np.bincount(np.round(found * 10).astype(int), minlength=11)[1:]
    assert chisquare(counts).pvalue > 1e-4


def test_groups_keep_the_promise_on_average() -> None:
    # one judged image of a new patient, 9 control patients of one to four similar images:
    # P(p <= .1) is at most .1; 3,000 audits, four standard errors: fails with probability 3e-5
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(3000):
        sizes = rng.integers(1, 5, 9)
        groups = np.repeat(np.arange(9), sizes)
        patient = rng.standard_normal((10, 3))
        rows = patient[groups] + 0.3 * rng.standard_normal((sizes.sum(), 3))
        x = patient[9] + 0.3 * rng.standard_normal(3)
        alarms += p_values(x, rows, [8, 1, 1], groups)[0] <= 0.1
    assert alarms / 3000 <= 0.1 + 4 * np.sqrt(0.09 / 3000)


def test_controls_of_ones_own_group_leave_the_pool() -> None:
    rng = np.random.default_rng(5)
    controls, judged = rng.normal(size=(12, 2)), rng.normal(size=(3, 2))
    groups, own = np.arange(12) // 3, np.array([0, 2, 7])
    _, p, _ = rank_average(judged, controls, np.ones(2), own, groups)
    for i in range(3):
        keep = groups != own[i]
        wanted = p_values(judged[i], controls[keep], control_groups=groups[keep])
        assert p[i] == pytest.approx(wanted[0])


def test_a_large_patient_has_one_voice() -> None:
    # one patient with 50 high images and 9 with one low image each: p = 2/11, not 51/60
    controls = np.r_[np.full(50, 2.0), np.zeros(9)][:, None]
    groups = np.r_[np.zeros(50), np.arange(1, 10)]
    assert p_values(np.array([[1.0]]), controls, control_groups=groups)[0] == pytest.approx(2 / 11)


def test_a_strong_column_with_weight_gives_power() -> None:
    rng = np.random.default_rng(6)
    controls, judged = rng.normal(size=(99, 5)), rng.normal(size=(30, 5))
    judged[:, 0] += 6
    heavy, light = (p_values(judged, controls, [w, 1, 1, 1, 1]) for w in (40, 1))
    assert (heavy <= 0.05).mean() == 1.0
    assert heavy.min() == pytest.approx(0.01)
    assert (light <= 0.05).mean() < 0.5


@CHECK
@given(columns(1, 6), columns(1, 3))
def test_judged_images_do_not_see_each_other(controls: Floats, judged: Floats) -> None:
    together = rank_of(judged, controls)
    for i in range(len(judged)):
        alone = rank_of(judged[i : i + 1], controls)
        assert alone[0][0] == together[0][i]
        assert alone[1][0] == together[1][i]


def test_pooled_rank_score_equals_scipy() -> None:
    rows = np.random.default_rng(7).integers(0, 4, (20, 3)).astype(float)
    wanted = rankdata(rows, axis=0) @ [0.8, 0.1, 0.1]
    np.testing.assert_allclose(pooled_rank_score(rows, np.array([8.0, 1, 1])), wanted, atol=1e-8)


def test_what_cannot_be_ranked_is_refused() -> None:
    rows = np.zeros((3, 2))
    with pytest.raises(InputError, match="at least one unused"):
        rank_average(rows, rows[:0], np.ones(2), np.arange(3), np.arange(0))
    with pytest.raises(InputError, match="not finite"):
        rank_average(rows + np.nan, rows, np.ones(2), np.arange(3), np.arange(3, 6))
    with pytest.raises(InputError, match="not finite"):
        rank_average(rows, rows + np.inf, np.ones(2), np.arange(3), np.arange(3, 6))
    with pytest.raises(InputError, match="shares its group with every control"):
        rank_average(rows, rows, np.ones(2), np.zeros(3), np.zeros(3))
