"""Forty looks at a clean run, two hundred times: how often is there any alarm?"""

from typing import Any

import numpy as np
import pytest

import vestige.watch.reals
from vestige import Watch
from vestige.stats.copy_line import COPY_ALPHA
from vestige.stats.looks import share_of_look
from vestige.testing.phantoms import phantoms
from vestige.types import Images, Ints
from vestige.watch import looking
from vestige.watch.looking import find_copies
from vestige.watch.reals import prepare_reals

LOOKS, REPEATS, SIDE, N = 40, 200, 16, 40
Drawn = tuple[Images, Ints, int]


def equal(rng: np.random.Generator, side: int = SIDE) -> Drawn:
    """80 patients of one image each."""
    return phantoms(2 * N, rng, side), np.arange(2 * N), N


def unequal(rng: np.random.Generator, side: int = SIDE) -> Drawn:
    """40 patients of one to six images that look alike, dealt to two sides by lot."""
    sizes = rng.permutation(np.repeat([1, 2, 3, 6], 10))
    is_used = rng.permutation(np.repeat([True, False], 20))
    order = np.argsort(~is_used, kind="stable")
    patients = np.repeat(np.arange(40), sizes[order])
    own = phantoms(40, rng, side)[patients]
    images = 0.5 * own + 0.5 * phantoms(len(patients), rng, side)
    return images, patients, int(sizes[is_used].sum())


@pytest.mark.slow
@pytest.mark.parametrize("planned", [None, LOOKS])
@pytest.mark.parametrize("reals", [equal, unequal])
def test_a_clean_run_that_drifts_slowly_raises_few_alarms(
    reals: object, planned: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the samples is new at each look. Level .05, so more than 22 of 200: P < 3e-4."""
    monkeypatch.setattr(vestige.watch.reals, "RELABELLINGS", 999)
    rng, alarms = np.random.default_rng(13), 0
    for seed in range(REPEATS):
        images, patients, used = reals(rng)  # type: ignore[operator]
        groups = patients[:used], patients[used:]
        watch = Watch(images[:used], images[used:], groups, SIDE, seed=seed, looks=planned)
        made, crossed = phantoms(150 + 15 * LOOKS, rng, SIDE), watch._past.crossed
        for look in range(LOOKS):
            scores = watch.reals.pool.score(made[15 * look : 15 * look + 150])
            crossed = crossed.after(looking._height(watch.reals, scores, look), planned)
        alarms += crossed.p_value(watch.reals.truth) <= 0.05
    assert alarms <= 22


def runs_with_a_copy(reals: Any, side: int, runs: int, looks: int, fresh: int) -> int:
    """Clean runs in which a look names an image; of 150 images of a look, `fresh` are new."""
    rng, named = np.random.default_rng(17), 0
    for _ in range(runs):
        images, patients, used = reals(rng, side)
        groups = patients[:used], patients[used:]
        prepared = prepare_reals(images[:used], images[used:], groups, side, "mirror", 0)
        made = phantoms(150 + fresh * (looks - 1), rng, side)
        found = (
            find_copies(
                prepared,
                made[fresh * look : fresh * look + 150],
                "mirror",
                COPY_ALPHA * share_of_look(look + 1),
            )
            for look in range(looks)
        )
        named += any(len(one.targets.real) > 0 for one in found)
    return named


def test_clean_runs_name_few_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stated: 1 % of runs, so more than 3 of 12: P < 5e-6. One audit's level and scale: 8."""
    monkeypatch.setattr(vestige.watch.reals, "RELABELLINGS", 19)
    assert runs_with_a_copy(equal, SIDE, 12, LOOKS, 150) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [15, 150])
@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize("reals", [equal, unequal])
def test_clean_runs_of_forty_looks_name_few_copies(
    reals: object, side: int, fresh: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stated: 1 % of runs, so more than 9 of 200: P < 6e-5."""
    monkeypatch.setattr(vestige.watch.reals, "RELABELLINGS", 19)
    assert runs_with_a_copy(reals, side, REPEATS, LOOKS, fresh) <= 9
