"""Hostile images, kinds of input, and errors that say what to change."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reference_worlds import reference_world
from small_detectors import fitted, small_detector
from vestige.choices import InputError, build
from vestige.detectors import DETECTORS
from vestige.detectors.columns import plan_columns
from vestige.images.reading import read_images
from vestige.types import Images, PoolDetector

every_detector = pytest.mark.parametrize("name", DETECTORS)
WORLD = reference_world("copy", 3)
# every second pixel: 16 px, quick, and still more pixels than images
G, R = WORLD.generated[:40, ::2, ::2], WORLD.reference[:20, ::2, ::2]
X, U = WORLD.used[:6, ::2, ::2], WORLD.used[6:14, ::2, ::2]


def grey(n: int, level: float = 0.0) -> Images:
    return np.full((n, 16, 16), level, dtype=np.float32)


def one_pixel_apart(image: Images, n: int) -> Images:
    """`n` images that differ from `image` by one grey level in one pixel each."""
    many = np.repeat(image, n, axis=0)
    many[np.arange(n), np.arange(n) % 16, np.arange(n) // 16] += np.float32(1 / 255)
    return many


HOSTILE: dict[str, tuple[Images, Images, Images]] = {
    "constant queries": (G, R, np.concatenate([grey(1), grey(1, 1.0), grey(1, 0.5)])),
    "generated twice": (G[:2], R, X),
    "generated once": (G[:1], R, X),
    "generated all equal": (np.repeat(G[:1], 20, axis=0), R, X),
    "generated all black": (grey(20), R, X),
    "reference of two": (G, R[:2], X),
    "reference of one": (G, R[:1], X),
    "reference all equal": (G, np.repeat(R[:1], 10, axis=0), X),
    "duplicates in the pool": (np.concatenate([G, G, X]), np.concatenate([R, R]), X),
    "verbatim everywhere": (X, X, X),
    "one pixel differences": (one_pixel_apart(X[:1], 50), R, X),
    "reference one pixel apart": (G, one_pixel_apart(X[:1], 50), X),
    "all the same": (np.repeat(X[:1], 9, axis=0), np.repeat(X[:1], 9, axis=0), X[:1]),
    "all black": (grey(9), grey(9), grey(3)),
    "all white": (grey(9, 1.0), grey(9, 1.0), grey(3, 1.0)),
    "one query": (G, R, X[:1]),
}


def fitted_or_refused(name: str, generated: Images, unused: Images) -> Any:
    """None where too few known images are left for a detector to learn from: it says so."""
    try:
        return fitted(name, generated, U, unused)
    except InputError as error:
        assert DETECTORS[name].needs_labels, error
        assert "group" in str(error)
        return None


@pytest.mark.parametrize("case", HOSTILE)
@every_detector
def test_scores_are_finite(name: str, case: str) -> None:
    generated, reference, queries = HOSTILE[case]
    detector = fitted_or_refused(name, generated, reference)
    if detector is None:
        return
    assert np.isfinite(detector.score_samples(queries)).all()
    if isinstance(detector, PoolDetector):
        detector.fit(generated)
        assert np.isfinite(detector.score_pool(np.concatenate([queries, reference]))).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queries")
    for i, image in enumerate(levels(X)):
        Image.fromarray(image).save(path / f"{i}.png")
    return path


def levels(images: Images) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.round(images * 255).astype(np.uint8)


@every_detector
def test_takes_arrays_image_sets_and_folders(name: str, folder: Path) -> None:
    detector = fitted(name, levels(G), levels(U), levels(R))
    wanted = detector.score_samples(levels(X))
    assert np.ptp(wanted) > 0
    as_float = levels(X) / np.float32(255)
    wider = levels(X).astype(np.uint16) * np.uint16(257)
    image_set = read_images(folder, role="query", size=16)
    for source in (as_float, as_float.astype(np.float64), wider, image_set, folder, str(folder)):
        np.testing.assert_allclose(detector.score_samples(source), wanted, rtol=1e-5, atol=1e-6)
    other = fitted(name, levels(G) / np.float32(255), levels(U) / 255, levels(R) / 255)
    np.testing.assert_allclose(other.score_samples(folder), wanted, rtol=1e-5, atol=1e-6)


@every_detector
def test_scoring_before_fitting_names_the_missing_call(name: str) -> None:
    detector = small_detector(name)
    with pytest.raises(RuntimeError, match=r"call fit\(generated\) before scoring"):
        detector.score_samples(X)
    if isinstance(detector, PoolDetector):
        with pytest.raises(RuntimeError, match=r"call fit\(generated\) before scoring"):
            detector.score_pool(X)


# without a reference its score is the similarity itself; an audit then takes the bag
REFERENCE_OPTIONAL = {"ssim_rerank"}
comparing = {n for n, c in DETECTORS.items() if c.needs_reference} - REFERENCE_OPTIONAL


@pytest.mark.parametrize("name", sorted(comparing))
def test_a_missing_reference_is_named(name: str) -> None:
    detector = small_detector(name).fit(G)
    with pytest.raises(InputError, match=r"unused real images .* fit\(generated, unused"):
        detector.score_samples(X)


# networks bring every image to their own size; what they learn from must still be of one size
RESIZED = {"siamese", "siamese_hybrid", "vit_canet"}
SMALLER = grey(3, 0.5)[:, :8, :8]


@every_detector
def test_images_of_another_size_are_refused(name: str) -> None:
    # 8 px images cannot be brought to the 16 px of the others
    if name in RESIZED:
        with pytest.raises(InputError, match="different sizes"):
            small_detector(name).fit(SMALLER, U, R)
        return
    detector = fitted(name, G, U, R)
    with pytest.raises(InputError, match="different sizes"):
        detector.score_samples(SMALLER)
    if isinstance(detector, PoolDetector):
        with pytest.raises(InputError, match="different sizes"):
            detector.score_pool(SMALLER)
    if DETECTORS[name].needs_reference:
        with pytest.raises(InputError, match="different sizes"):
            small_detector(name).fit(G, unused=SMALLER).score_samples(X)


BAD_OPTIONS = [
    ("calibrated_distance", {"form": "ratio"}, "unknown form 'ratio'. Known: log_ratio"),
    ("mc_ball", {"form": "inverse"}, "unknown form 'inverse'. Known: log, count"),
    ("density_ratio", {"estimator": "flow"}, "unknown estimator 'flow'. Known: kde, knn"),
    ("mean_rank", {"summary": "median"}, "unknown summary 'median'. Known: best, log, mean"),
    ("matched_filter", {"aggregate": "max"}, "unknown aggregate 'max'"),
    ("matched_filter_pool", {"aggregate": "max"}, "unknown aggregate 'max'"),
    ("local_filter", {"aggregate": "max"}, "unknown aggregate 'max'. Known: largest, top_quarter"),
    ("local_filter_pool", {"window": 2}, "a window has 3 px or more, 2 was given"),
    ("local_filter_pool", {"top": 0}, "top must be 1 or more, 0 was given"),
    ("ssim_rerank", {"window": "box"}, "unknown window 'box'. Known: gaussian, uniform7"),
    ("ssim_rerank", {"similarity": "mse"}, "unknown similarity 'mse'. Known: ssim, gradient"),
    ("nearest_distance", {"sizes": 3}, "does not take these options"),
    ("nearest_distances", {}, "unknown detector .* Did you mean 'nearest_distance'"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD_OPTIONS)
def test_bad_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(DETECTORS, name, "detector", **options)


@pytest.mark.parametrize("name", ["nearest_distance", "calibrated_distance", "retrieval_count"])
def test_an_unknown_space_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown space 'hog'. Known: pixels, contrast, pca"):
        DETECTORS[name].build(space="hog").fit(G, unused=R).score_samples(X)


@pytest.mark.parametrize("name", ["nearest_distance", "calibrated_distance"])
def test_no_neighbours_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="k must be 1 or more, 0 was given"):
        DETECTORS[name].build(k=0).fit(G, unused=R).score_samples(X)


NOT_IMAGES = [
    (np.zeros((4, 8, 8, 3), np.float32), r"shape \[n, h, w\]"),
    (np.zeros((8, 8), np.float32), r"shape \[n, h, w\]"),
    (np.zeros((0, 8, 8), np.float32), "empty side"),
    (np.zeros((4, 8, 8), np.int64), "found int64"),
]


@pytest.mark.parametrize(("array", "message"), NOT_IMAGES)
@every_detector
def test_arrays_that_are_no_images_are_refused(
    name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fitted(name, array, U, R)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        fitted(name, G, U, R).score_samples(array)


def test_the_default_plan_holds_the_default_detectors() -> None:
    plan = plan_columns(None, has_reference=True)
    assert {c.detector for c in plan} == {n for n, c in DETECTORS.items() if c.default}
    assert len({c.name for c in plan}) == len(plan)
    assert {"matched_filter_pool_16", "matched_filter_pool_32", "matched_filter_pool_64"} <= {
        c.name for c in plan
    }
    for column in plan:
        assert column.weight == DETECTORS[column.detector].weight
        assert column.pool == DETECTORS[column.detector].pool


def test_without_a_reference_the_bag_serves_as_one() -> None:
    plan = {c.name: c.pool for c in plan_columns(None, has_reference=False)}
    assert plan["calibrated_distance"]
    assert not plan["nearest_distance"]
    assert not {c.name: c.pool for c in plan_columns(None, True)}["calibrated_distance"]


def test_the_plan_keeps_the_order_of_the_names() -> None:
    plan = plan_columns(["mc_ball", "nearest_distance"], has_reference=True)
    assert [c.name for c in plan] == ["mc_ball", "nearest_distance"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nearest_distanc"], "unknown detector .* Did you mean 'nearest_distance'"),
        (["mc_ball", "mc_ball"], "a detector is named twice: mc_ball, mc_ball"),
        (["matched_filter"], "matched_filter needs a reference: give --reference"),
    ],
)
def test_a_plan_that_cannot_run_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_columns(names, has_reference=False)
