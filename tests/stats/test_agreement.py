"""Confusion-matrix measures: the golden of docs/methods.md 4.5, sklearn, and undefined ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score

from vestige.registry.entries import InputError
from vestige.stats.agreement import (
    MEASURES,
    agreement,
    constant_baselines,
    kappa_se,
    p_adjusted_for_runs,
    p_against_guessing,
)
from vestige.types import Bools

CHECK = settings(deadline=None, derandomize=True)


def table(tp: int, fn: int, fp: int, tn: int) -> tuple[Bools, Bools]:
    decisions = np.repeat([True, False, True, False], [tp, fn, fp, tn])
    return decisions, np.repeat([True, True, False, False], [tp, fn, fp, tn])


def test_golden_of_the_2025_winner() -> None:
    found = agreement(*table(163, 87, 129, 121))
    rounded = {
        name: (round(e.value, 4), round(e.low, 4), round(e.high, 4))
        for name in ("accuracy", "precision", "recall")
        if (e := getattr(found, name)) is not None
    }
    assert rounded == {
        "accuracy": (0.568, 0.5233, 0.6119),
        "precision": (0.5582, 0.4992, 0.6160),
        "recall": (0.652, 0.5894, 0.7109),
    }
    assert found.f1 is not None
    assert found.kappa is not None
    assert round(found.f1.value, 5) == 0.60148
    assert found.f1.low < 0.58
    assert found.f1.high > 0.62
    assert found.kappa.value == pytest.approx(0.136)
    assert (found.kappa.high - found.kappa.low) / 2 / 1.959964 == pytest.approx(0.0437, abs=5e-5)
    assert kappa_se(163, 87, 129, 121) == pytest.approx(0.0437, abs=5e-5)
    assert kappa_se(163, 87, 129, 121, null=True) == pytest.approx(0.0441, abs=5e-5)
    assert p_against_guessing(*table(163, 87, 129, 121)) == pytest.approx(0.001348, abs=1e-6)
    assert p_adjusted_for_runs(0.001348, 15) == pytest.approx(0.0200, abs=5e-5)


@CHECK
@given(*[st.integers(1, 30)] * 4)
def test_values_agree_with_sklearn(tp: int, fn: int, fp: int, tn: int) -> None:
    decisions, truth = table(tp, fn, fp, tn)
    found = agreement(decisions, truth)
    expected = {
        "accuracy": (decisions == truth).mean(),
        "precision": precision_score(truth, decisions),
        "recall": recall_score(truth, decisions),
        "specificity": recall_score(~truth, ~decisions),
        "f1": f1_score(truth, decisions),
        "kappa": cohen_kappa_score(truth, decisions),
    }
    for name in MEASURES:
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(expected[name])
        assert -1 <= estimate.low < estimate.value < estimate.high <= 1
        assert estimate.n == tp + fn + fp + tn


@CHECK
@given(*[st.integers(2, 40)] * 4)
def test_kappa_se_is_the_delta_method(tp: int, fn: int, fp: int, tn: int) -> None:
    """Numerical gradient of kappa in the four shares, times the multinomial covariance."""
    n = tp + fn + fp + tn
    shares = np.array([tp, fn, fp, tn]) / n

    def kappa(p: np.ndarray) -> float:
        expected = (p[0] + p[1]) * (p[0] + p[2]) + (p[3] + p[2]) * (p[3] + p[1])
        return float((p[0] + p[3] - expected) / (1 - expected))

    steps = 1e-6 * np.eye(4)
    gradient = np.array([(kappa(shares + s) - kappa(shares - s)) / 2e-6 for s in steps])
    variance = gradient @ (np.diag(shares) - np.outer(shares, shares)) @ gradient / n
    assert kappa_se(tp, fn, fp, tn) == pytest.approx(np.sqrt(variance), abs=1e-6)


def test_undefined_is_none_not_zero() -> None:
    nothing_used = agreement(*table(0, 0, 0, 5))
    assert nothing_used.accuracy.value == 1.0
    assert nothing_used.precision is nothing_used.recall is nothing_used.f1 is None
    assert nothing_used.kappa is None
    assert nothing_used.specificity is not None
    never_right = agreement(*table(0, 3, 2, 5))
    assert never_right.f1 is not None
    assert never_right.f1.value == 0.0


def test_perfect_is_not_certain() -> None:
    found = agreement(*table(10, 0, 0, 10))
    for name in MEASURES:
        estimate = getattr(found, name)
        assert estimate.value == estimate.high == 1.0
        assert 0.3 < estimate.low < 1.0


def test_constant_answers_and_their_baselines() -> None:
    decisions, truth = table(250, 0, 250, 0)
    baselines = constant_baselines(truth)
    found = agreement(decisions, truth)
    assert found.kappa is not None
    assert found.kappa.value == 0.0
    assert found.kappa.low < 0 < found.kappa.high
    assert found.f1 is not None
    assert found.f1.value == pytest.approx(baselines.all_used_f1)
    assert baselines.all_used_f1 == pytest.approx(2 / 3)
    assert baselines.all_used_accuracy == baselines.majority_accuracy == 0.5
    rare = constant_baselines(np.arange(10) < 1)
    assert (rare.all_used_accuracy, rare.majority_accuracy) == (0.1, 0.9)
    assert rare.all_used_f1 == pytest.approx(2 * 0.1 / 1.1)


def test_a_constant_answer_never_beats_guessing() -> None:
    for share in (1, 5, 9):
        truth = np.arange(10) < share
        for constant in (True, False):
            assert p_against_guessing(np.full(10, constant), truth) > 0.3
    decisions, truth = table(59, 0, 41, 0)
    assert p_against_guessing(decisions, truth) > 0.4
    balanced = table(30, 20, 21, 29)
    assert p_against_guessing(*balanced) == pytest.approx(
        binomtest(59, 100, 0.5, alternative="greater").pvalue
    )


@pytest.mark.parametrize(("n", "right"), [(100, 59), (200, 113), (500, 269), (1000, 527)])
def test_five_percent_line_of_a_coin(n: int, right: int) -> None:
    truth = np.arange(n) < n // 2
    assert p_against_guessing(np.where(np.arange(n) < right, truth, ~truth), truth) <= 0.05
    assert p_against_guessing(np.where(np.arange(n) < right - 1, truth, ~truth), truth) > 0.05


def test_runs() -> None:
    assert p_adjusted_for_runs(0.2, 1) == pytest.approx(0.2)
    assert p_adjusted_for_runs(1e-18, 3) == pytest.approx(3e-18)
    assert p_adjusted_for_runs(1.0, 4) == 1.0
    for p, runs in ((1.5, 2), (0.1, 0)):
        with pytest.raises(InputError, match="at least one run"):
            p_adjusted_for_runs(p, runs)


def test_patients_widen_the_intervals_and_cover() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    truth = groups < 20
    hits = naive = 0
    for seed in range(150):
        # all images of a patient are judged alike: 40 facts, not 200
        right = np.repeat(rng.uniform(size=40) < 0.7, 5)
        decisions = truth == right
        found = agreement(decisions, truth, groups, repeats=300, seed=seed).accuracy
        alone = agreement(decisions, truth).accuracy
        hits += found.low <= 0.7 <= found.high
        naive += alone.low <= 0.7 <= alone.high
    assert hits >= binom.ppf(1e-5, 150, 0.93)  # false failure 1e-5
    assert naive < hits - 20


def test_few_patients_count_as_images() -> None:
    decisions, truth = table(10, 0, 0, 10)
    groups = np.repeat(np.arange(4), 5)
    four, twenty = agreement(decisions, truth, groups), agreement(decisions, truth)
    assert four.accuracy.low == pytest.approx(binomtest(4, 4).proportion_ci(method="exact").low)
    assert four.accuracy.low < twenty.accuracy.low
    many = np.repeat(np.arange(20), 1)
    assert agreement(decisions, truth, many) == twenty


def test_few_patients_widen_kappa() -> None:
    decisions, truth = table(12, 8, 8, 12)
    patients, images = (
        agreement(decisions, truth, np.repeat(np.arange(8), 5)).kappa,
        agreement(decisions, truth).kappa,
    )
    assert patients is not None
    assert images is not None
    ratio = (patients.value - patients.low) / (images.value - images.low)
    assert ratio == pytest.approx(np.sqrt(5))


def test_patients_are_drawn_within_status() -> None:
    # "always used" has accuracy .5 in every such draw: the limits are those of 24 patients
    decisions, truth = table(24, 0, 24, 0)
    found = agreement(decisions, truth, np.repeat(np.arange(24), 2)).accuracy
    exact = binomtest(12, 24).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="one flag per image"):
        agreement(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(InputError, match="one flag per image"):
        agreement(np.empty(0, bool), np.empty(0, bool))
    with pytest.raises(InputError, match="True or False"):
        agreement(np.ones(3), np.ones(3, bool))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one image"):
        constant_baselines(np.empty(0, bool))
