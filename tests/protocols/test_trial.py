"""Splits and thresholds: what is held out, and what a threshold may look at."""

from dataclasses import replace

import numpy as np
import pytest

from paper_trials import null_arrays, trial
from vestige.protocols.trial import (
    Reals,
    best_threshold,
    folds_by_group,
    nested_decisions,
    split_by_image,
    split_rows,
)
from vestige.registry.entries import InputError
from vestige.stats.agreement import agreement
from vestige.types import Bools, Floats

WORLD = null_arrays(0, 15, 4, 5)


def labelled() -> Reals:
    return trial("gan_isi", WORLD).labelled


def kappa(decisions: Bools, reals: Reals) -> float:
    found = agreement(decisions, reals.used, reals.groups, repeats=1).kappa
    assert found is not None
    return found.value


def test_labelled_images_and_queries_are_those_of_the_roles() -> None:
    reals, queries = labelled(), trial("gan_isi", WORLD).queries
    assert len(reals) == len(queries) == 120
    assert reals.used.sum() == queries.used.sum() == 60
    assert not set(reals.groups) & set(queries.groups)


def test_by_image_a_fifth_of_each_status_is_held_out_and_patients_lie_on_both_sides() -> None:
    reals = labelled()
    late = split_by_image(reals, 3)
    assert (late & reals.used).sum() == (late & ~reals.used).sum() == 12
    assert set(reals.groups[late]) <= set(reals.groups[~late])
    assert (late != split_by_image(reals, 4)).any()


def test_by_group_no_patient_lies_on_both_sides() -> None:
    reals = labelled()
    folds = folds_by_group(reals, 3)
    assert len(np.unique(folds)) == 5
    for fold in range(5):
        late = folds == fold
        assert not set(reals.groups[late]) & set(reals.groups[~late])
        assert (late & reals.used).sum() == (late & ~reals.used).sum() == 12
    few = reals.take(np.isin(reals.groups, [0, 1, 2, 15, 16]))
    assert len(np.unique(folds_by_group(few, 3))) == 2


@pytest.mark.parametrize(("n", "held_out"), [(2, 1), (9, 1), (10, 2), (101, 20)])
def test_a_fifth_of_the_rows_is_held_out(n: int, held_out: int) -> None:
    late = split_rows(n, 1)
    assert (late.sum(), late.shape) == (held_out, (n,))


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(InputError, match="two generated images"):
        split_rows(1, 0)
    with pytest.raises(InputError, match="two used and two unused"):
        split_by_image(labelled().take(np.arange(120) > 58), 0)


@pytest.mark.parametrize("role", ["query", "used"])
def test_a_world_without_both_kinds_is_refused(role: str) -> None:
    world = replace(WORLD, used=WORLD.used & (WORLD.roles != role))
    made = trial("gan_isi", world)
    with pytest.raises(InputError, match="images of both kinds") as caught:
        _ = (made.labelled, made.queries)
    assert "\n" not in str(caught.value)


def noisy(seed: int) -> tuple[Floats, Reals]:
    return np.random.default_rng(seed).normal(size=120), labelled()


@pytest.mark.parametrize("levels", [0, 4, 1])
def test_the_best_threshold_is_the_best_of_all(levels: int) -> None:
    scores, reals = noisy(2)
    scores = np.round(scores * levels / 3) if levels else scores
    everywhere = [-np.inf, *np.unique(scores)]
    best = max(kappa(scores > t, reals) for t in everywhere)
    found = best_threshold(scores, reals.used)
    assert kappa(scores > found, reals) == pytest.approx(best)
    assert levels == 1 or found not in scores


def test_the_best_threshold_parts_what_can_be_parted() -> None:
    used = np.array([True, False, True, False])
    assert best_threshold(np.array([3.0, 1.0, 2.0, 0.0]), used) == 1.5
    close = np.array([1.0, np.nextafter(1.0, 0), 1.0, 0.0])
    np.testing.assert_array_equal(close > best_threshold(close, used), used)


def test_a_threshold_chosen_elsewhere_finds_nothing_in_noise() -> None:
    tuned, nested = [], []
    for seed in range(30):
        scores, reals = noisy(seed)
        folds = folds_by_group(reals, seed)
        tuned.append(kappa(scores > best_threshold(scores, reals.used), reals))
        nested.append(kappa(nested_decisions(scores, reals.used, folds), reals))
    assert np.mean(tuned) > 0.1
    assert abs(np.mean(nested)) < 0.06
