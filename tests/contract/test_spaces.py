"""What every feature space must do, alone and under the detectors that take it by name."""

import pickle
from typing import Any

import numpy as np
import pytest

from reference_worlds import reference_world
from vestige.detectors import CalibratedDistance, MatchedFilter, MatchedFilterPool, NearestDistance
from vestige.features import EMBEDDERS, SPACES, build_space, fit_space
from vestige.registry.entries import InputError, create
from vestige.stats.intervals import auc
from vestige.types import Images, PairEmbedder

WORLD = reference_world("copy", 4)
IMAGES = reference_world("null", 0).unused[:30]
# a network's own weights would be downloaded; textures take some ms per image
OPTIONS: dict[str, dict[str, Any]] = {
    "backbone": {"network": "tiny", "weights": "none", "size": 32},
    "texture": {"size": 16},
    # those that learn, learn little
    "contrastive": {"steps": 3, "batch": 8, "width": 4},
    "ssim": {"steps": 3, "batch": 8, "width": 4},
}
every_space = pytest.mark.parametrize("name", EMBEDDERS)
by_name = pytest.mark.parametrize("space", SPACES)
UNLEARNED = ("pixels", "contrast", "gradients", "band_pass")


def space_of(name: str) -> Any:
    return create(EMBEDDERS, name, "feature space", **OPTIONS.get(name, {}))


def grey(n: int, level: float = 0.0) -> Images:
    return np.full((n, 32, 32), level, np.float32)


@every_space
def test_gives_one_row_per_image_in_any_order_and_company(name: str) -> None:
    space = space_of(name)
    before = IMAGES.copy()
    assert space.fit(IMAGES) is space
    rows = space.transform(IMAGES)
    assert rows.dtype == np.float32
    assert rows.ndim == 2
    assert len(rows) == len(IMAGES)
    assert np.isfinite(rows).all()
    assert (np.ptp(rows, axis=0) > 0).any()
    np.testing.assert_allclose(space.transform(IMAGES[4:6]), rows[4:6], atol=1e-5)
    np.testing.assert_allclose(space.transform(IMAGES[::-1]), rows[::-1], atol=1e-5)
    np.testing.assert_array_equal(IMAGES, before)


@every_space
def test_repeats_bit_for_bit_and_survives_pickling(name: str) -> None:
    space = space_of(name).fit(IMAGES)
    rows = space.transform(IMAGES)
    np.testing.assert_array_equal(space.transform(IMAGES), rows)
    np.testing.assert_array_equal(space_of(name).fit(IMAGES).transform(IMAGES), rows)
    copy = pickle.loads(pickle.dumps(space))  # noqa: S301
    np.testing.assert_array_equal(copy.transform(IMAGES), rows)
    assert space_of(name) == space_of(name)


@every_space
def test_the_order_of_the_fitted_images_does_not_matter(name: str) -> None:
    rows = space_of(name).fit(IMAGES).transform(IMAGES)
    turned = space_of(name).fit(IMAGES[::-1]).transform(IMAGES)
    # components are known up to float32 rounding only; whitened small ones feel it most
    np.testing.assert_allclose(turned, rows, atol=2e-2 if "pca" in name else 1e-4)


@pytest.mark.parametrize("n", [1, 2, 5])
@every_space
def test_few_images_are_enough_to_fit(name: str, n: int) -> None:
    rows = space_of(name).fit(IMAGES[:n]).transform(IMAGES)
    assert len(rows) == len(IMAGES)
    assert np.isfinite(rows).all()


@every_space
def test_constant_images_get_finite_rows(name: str) -> None:
    constant = np.concatenate([grey(3), grey(2, 0.5), grey(2, 1.0)])
    for fitted_on in (IMAGES, constant, grey(4)):
        space = space_of(name).fit(fitted_on)
        for images in (constant, IMAGES):
            assert np.isfinite(space.transform(images)).all()


@pytest.mark.parametrize("name", [n for n in EMBEDDERS if n != "backbone"])
def test_one_pixel_is_an_image(name: str) -> None:
    dots = np.linspace(0, 1, 6, dtype=np.float32).reshape(6, 1, 1)
    if name in ("contrastive", "ssim"):  # four halvings
        with pytest.raises(InputError, match="images of 16 px or more, found 1 px"):
            space_of(name).fit(dots)
        return
    assert np.isfinite(space_of(name).fit(dots).transform(dots)).all()


@pytest.mark.parametrize("name", ["pca", "whitened_pca", "wavelets", "texture"])
def test_what_is_learned_must_be_learned_from_images_of_this_size(name: str) -> None:
    with pytest.raises(RuntimeError, match="call fit"):
        space_of(name).transform(IMAGES)
    with pytest.raises(InputError, match="different sizes"):
        space_of(name).fit(IMAGES).transform(IMAGES[:, :8, :8])
    if isinstance(space_of(name), PairEmbedder):
        with pytest.raises(InputError, match="different sizes"):
            space_of(name).fit_pair(IMAGES, IMAGES[:, :8, :8])


@pytest.mark.parametrize("name", ["pca", "whitened_pca", "wavelets"])
def test_two_sets_count_equally_whatever_their_sizes(name: str) -> None:
    few, many = IMAGES[:5], IMAGES[5:]
    fitted = fit_space(name, 16, 4, few, many)
    again = fit_space(name, 16, 4, np.tile(few, (7, 1, 1)), many[::-1])
    alone = fit_space(name, 16, 4, np.concatenate([few, many]))
    rows = fitted.transform(IMAGES)
    np.testing.assert_allclose(again.transform(IMAGES), rows, atol=1e-3)
    assert np.abs(alone.transform(IMAGES) - rows).max() > 0.01


@by_name
def test_a_detector_hands_over_its_options(space: str) -> None:
    made: Any = build_space(space, size=8, dims=3)
    assert made.size == 8
    assert getattr(made, "dims", 3) == 3


def test_a_space_that_needs_more_is_no_name_for_a_detector() -> None:
    assert set(EMBEDDERS) - set(SPACES) == {"backbone", "contrastive", "ssim"}
    with pytest.raises(InputError, match="unknown space 'backbone'. Known: band_pass"):
        build_space("backbone")


# textures of 16 px say next to nothing, and take some ms per image
@pytest.mark.parametrize("space", [s for s in SPACES if s != "texture"])
def test_distances_find_what_a_copier_used(space: str) -> None:
    """Chance gives .5 with standard deviation .075: .79 by luck has probability 6e-5."""
    cohort = np.concatenate([WORLD.used[:30], WORLD.unused[:30]])
    detector = CalibratedDistance(space=space).fit(WORLD.generated, unused=WORLD.reference[:60])
    for scores in (detector.score_samples(cohort), detector.score_pool(cohort)):
        assert auc(scores[:30], scores[30:]) > 0.79


@by_name
def test_a_verbatim_copy_is_at_no_distance(space: str) -> None:
    pool = np.concatenate([WORLD.generated[:30], WORLD.used[:5]])
    found = NearestDistance(space=space, size=16).fit(pool).score_samples(WORLD.used[:10])
    np.testing.assert_allclose(found[:5], 0, atol=1e-4)
    assert (found[5:] < -1e-3).all()


@by_name
def test_distances_in_a_bag_do_not_depend_on_its_order(space: str) -> None:
    cohort = np.concatenate([WORLD.used[:10], WORLD.unused[:10]])
    order = np.random.default_rng(0).permutation(20)
    detector = CalibratedDistance(space=space, size=16).fit(WORLD.generated[:40])
    np.testing.assert_allclose(
        detector.score_pool(cohort[order]), detector.score_pool(cohort)[order], rtol=2e-2, atol=1e-3
    )


@pytest.mark.parametrize("space", UNLEARNED)
def test_the_matched_filter_whitens_the_rows_of_its_space(space: Any) -> None:
    rows = {
        name: build_space(space, size=16).transform(images).astype(np.float64)
        for name, images in (("R", WORLD.reference[:60]), ("S", WORLD.generated), ("X", WORLD.used))
    }
    mean = rows["R"].mean(axis=0)
    singular, span = np.linalg.svd(rows["R"] - mean, full_matrices=False)[1:]
    ev = singular**2 / len(rows["R"])
    kept = ev > 1e-6 * ev[0]
    scale = np.sqrt(ev[kept] + 0.1 * ev[kept].mean())
    unit = {name: (r - mean) @ span[kept].T / scale for name, r in rows.items()}
    unit = {name: r / np.linalg.norm(r, axis=1, keepdims=True) for name, r in unit.items()}
    wanted = np.sort(unit["X"] @ unit["S"].T, axis=1)[:, -3:].mean(axis=1)
    detector = MatchedFilter(size=16, space=space, competition=0, views="none")
    detector.fit(WORLD.generated, unused=WORLD.reference[:60])
    np.testing.assert_allclose(detector.score_samples(WORLD.used), wanted, atol=2e-5)  # float32


@pytest.mark.parametrize("space", UNLEARNED)
def test_the_matched_filter_finds_copies_in_every_space(space: Any) -> None:
    cohort = np.concatenate([WORLD.used, WORLD.unused])
    scores = MatchedFilterPool(size=32, space=space).fit(WORLD.generated).score_pool(cohort)
    assert auc(scores[:100], scores[100:]) > 0.9
    constant = MatchedFilterPool(size=32, space=space).fit(grey(9)).score_pool(grey(5, 0.5))
    assert np.isfinite(constant).all()


def test_a_space_that_learns_is_none_for_the_matched_filter() -> None:
    with pytest.raises(InputError, match="unknown space 'pca'. Known: pixels, contrast"):
        MatchedFilterPool(space="pca")  # type: ignore[arg-type]
