"""Patients with 1 to 20 slices: p-values hold although slices are alike, and see what is there."""

import numpy as np
import pytest
from scipy.stats import binom, combine_pvalues

from vestige.choices import InputError
from vestige.stats.calibration import conformal_p_values
from vestige.stats.patients import patient_p_values, patient_rows
from vestige.types import Bools, Floats, Ints

PATIENTS, JUDGED, COLUMNS = 44, 5, 3
WEIGHTS = np.array([4.0, 1.0, 1.0])


def slices_of(rng: np.random.Generator, used: Bools, effect: float = 0.0) -> tuple[Floats, Ints]:
    """Columns [n, 3] of patients with 1 to 20 slices that are nearly alike; used ones are high."""
    patients = np.repeat(np.arange(len(used)), rng.integers(1, 21, len(used)))
    person = rng.normal(size=(len(used), COLUMNS)) + effect * used[:, None]
    return person[patients] + 0.3 * rng.normal(size=(len(patients), COLUMNS)), patients


def p_values(rule: str, labels: bool, seed: int, effect: float = 0.0) -> Floats:
    """p of 5 judged patients among 39 unused ones; with labels beside 20 known used ones."""
    rng = np.random.default_rng([3, seed])
    total = PATIENTS + 20 * labels
    judged = np.arange(total) < JUDGED
    known = np.arange(total) >= PATIENTS
    columns, patients = slices_of(rng, judged | known if effect else known, effect or 1.0)
    rows = patient_rows(columns, patients, rule, seed)
    controls = ~judged & ~known
    used = known if labels else None
    return patient_p_values(rows, np.arange(total), judged, controls, used, WEIGHTS)


@pytest.mark.parametrize(
    ("rule", "labels", "worlds"),
    [("mean", False, 1500), ("max", False, 1500), ("mean", True, 1500)],
)
def test_p_is_uniform_when_no_patient_was_used(rule: str, labels: bool, worlds: int) -> None:
    """39 controls make 1/40 steps, so .05 to .5 are exact. One patient of each world, so that
    draws are independent; binomial bands of 1e-5 a side at four rates, two sided: the test fails
    falsely with probability below 1e-4.
    """
    first = np.array([p_values(rule, labels, seed)[0] for seed in range(worlds)])
    for rate in (0.05, 0.1, 0.25, 0.5):
        called = int((first <= rate + 1e-9).sum())
        low, high = binom.ppf([1e-5, 1 - 1e-5], worlds, rate)
        assert low <= called <= high, (rate, called / worlds)


def test_slices_taken_for_independent_witnesses_would_accuse() -> None:
    """The naive way, Fisher's combination of the p-values of slices: far above 5 %."""
    accused = ours = 0
    for seed in range(200):
        columns, patients = slices_of(np.random.default_rng([5, seed]), np.zeros(40, np.bool_))
        own = patients == 0
        each = conformal_p_values(columns[own, 0], columns[~own, 0], patients[~own])
        accused += combine_pvalues(each).pvalue <= 0.05
        rows = patient_rows(columns[:, :1], patients)
        first = np.arange(40) == 0
        p = patient_p_values(rows, np.arange(40), first, ~first, None, np.ones(1))
        ours += p[0] <= 0.05
    assert accused > binom.ppf(1 - 1e-9, 200, 0.05)  # about one in five
    assert ours <= binom.ppf(1 - 1e-5, 200, 0.05)


@pytest.mark.parametrize("labels", [False, True])
def test_used_patients_are_found(labels: bool) -> None:
    found = [p_values("mean", labels, seed, effect=4.0) <= 0.05 for seed in range(20)]
    # shift of four standard deviations: each of 100 is found with probability above .95
    assert np.mean(found) > 0.8


def test_one_image_and_column_per_patient_is_the_plain_conformal_p_value() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=30)
    judged = np.arange(30) < 6
    rows = patient_rows(scores[:, None], np.arange(30))
    p = patient_p_values(rows, np.arange(30), judged, ~judged, None, np.ones(1))
    np.testing.assert_allclose(p, conformal_p_values(scores[judged], scores[~judged]), rtol=1e-12)


def test_the_largest_of_equally_many() -> None:
    columns = np.array([[0.0], [5.0], [1.0], [2.0], [9.0]])
    patients = np.array(["b", "b", "a", "a", "a"])
    rows = patient_rows(columns, patients, "max", seed=1)
    z = np.sort(patient_rows(columns, np.arange(5))[:, 0])  # each image its own patient
    assert rows.shape == (2, 1)
    assert rows[1, 0] == z[3]  # both images of b are drawn
    assert rows[0, 0] in z[[1, 2, 4]]
    drawn = {float(patient_rows(columns, patients, "max", seed=s)[0, 0]) for s in range(20)}
    assert drawn == {z[2], z[4]}  # two of three images: never the lowest alone


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="Known: mean, max"):
        patient_rows(np.ones((2, 1)), ["a", "b"], "best")  # type: ignore[arg-type]
