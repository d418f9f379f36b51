"""Forty looks at a clean run, two hundred times: how often is there any alarm?"""

import numpy as np
import pytest

import vestige.watch.reals
from vestige import Watch
from vestige.testing.phantoms import phantoms
from vestige.types import Images, Ints
from vestige.watch import looking

LOOKS, REPEATS, SIDE, N = 40, 200, 16, 40
Drawn = tuple[Images, Ints, int]


def equal(rng: np.random.Generator) -> Drawn:
    """80 patients of one image each."""
    return phantoms(2 * N, rng, SIDE), np.arange(2 * N), N


def unequal(rng: np.random.Generator) -> Drawn:
    """40 patients of one to six images that look alike, dealt to two sides by lot."""
    sizes = rng.permutation(np.repeat([1, 2, 3, 6], 10))
    side = rng.permutation(np.repeat([True, False], 20))
    order = np.argsort(~side, kind="stable")
    patients = np.repeat(np.arange(40), sizes[order])
    own = phantoms(40, rng, SIDE)[patients]
    images = 0.5 * own + 0.5 * phantoms(len(patients), rng, SIDE)
    return images, patients, int(sizes[side].sum())


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
