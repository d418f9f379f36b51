"""Hostile images, kinds of input, and errors that say what to change."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reference_worlds import reference_world
from small_detectors import fitted, small_detector
from vestige.detectors import DETECTORS, EFFORTS
from vestige.images.kinds import KINDS, luma_of
from vestige.images.reading import read_images
from vestige.registry.entries import InputError, create
from vestige.scoring.plan import plan_columns
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


@cache
def usual(name: str) -> Any:
    """A detector that was fitted once, for tests of what it refuses to score."""
    return fitted(name, G, U, R)


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
    "one of each": (G[:1], R[:1], X[:1]),
    "more dimensions than images": (G[:4], R[:3], X),
    "every generated image three times": (np.repeat(G, 3, axis=0), R, X),
    "reference all black": (G, grey(10), X),
    "black among the generated": (np.concatenate([G, grey(9)]), R, np.concatenate([X, grey(1)])),
}


def fitted_or_refused(name: str, generated: Images, unused: Images) -> Any:
    """None where too few known images are left for a detector to learn from: it says so."""
    try:
        return fitted(name, generated, U, unused)
    except InputError as error:
        assert DETECTORS[name].needs_labels, error
        assert "group" in str(error)
        return None


BRIEF = ("reference all equal", "all black", "one of each", "every generated image three times")
"""Cases for detectors that take seconds: the others are slow tests."""
LONG = {name for name, choice in DETECTORS.items() if choice.extra or name.startswith("texture")}


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(n, c, marks=pytest.mark.slow if n in LONG and c not in BRIEF else ())
        for n in DETECTORS
        for c in HOSTILE
    ],
)
def test_scores_are_finite(name: str, case: str) -> None:
    generated, reference, queries = HOSTILE[case]
    detector = fitted_or_refused(name, generated, reference)
    if detector is None:
        return
    assert np.isfinite(detector.score_samples(queries)).all()
    if isinstance(detector, PoolDetector):
        detector.fit(generated)
        assert np.isfinite(detector.score_pool(np.concatenate([queries, reference]))).all()


# more neighbours and components than there are images; the other forms of each detector
GREEDY: list[tuple[str, dict[str, Any]]] = [
    ("nearest_distance", {"k": 100}),
    ("nearest_distance_pca", {"k": 100, "dims": 300}),
    ("calibrated_distance", {"k": 100, "form": "difference"}),
    ("calibrated_distance_pca", {"k": 100, "dims": 300}),
    ("mc_ball", {"dims": 300, "form": "count"}),
    ("mc_ball", {"dims": 300}),
    ("density_ratio", {"dims": 64}),
    ("density_ratio", {"dims": 64, "estimator": "knn", "k": 100}),
    ("gen_lra", {"dims": 64, "k": 100}),
    ("gen_lra", {"dims": 64, "k": 100, "refit": True}),
    ("neighbour_share", {"dims": 300, "k": 100}),
    ("two_sample_classifier", {"dims": 300, "strength": 1e6}),
    ("reconstruction_ratio", {"dims": 300}),
    ("retrieval_count", {"space": "pca", "dims": 300}),
    *[("mean_rank", {"space": "pca", "dims": 300, "summary": s}) for s in ("best", "log", "mean")],
]
greedy = pytest.mark.parametrize(
    ("name", "options"), GREEDY, ids=[f"{n} {' '.join(map(str, o.values()))}" for n, o in GREEDY]
)


@pytest.mark.parametrize("case", HOSTILE)
@greedy
def test_scores_are_finite_where_more_is_asked_than_there_is(
    name: str, options: dict[str, Any], case: str
) -> None:
    generated, reference, queries = HOSTILE[case]
    detector = small_detector(name, **options).fit(generated, unused=reference)
    assert np.isfinite(detector.score_samples(queries)).all()
    if isinstance(detector, PoolDetector):
        cohort = np.concatenate([queries, reference])
        # one image against a patient with all the others, and patients of two
        for groups in (np.arange(len(cohort)) > 0, np.arange(len(cohort)) // 2):
            if len(np.unique(groups)) > 1:
                assert np.isfinite(detector.score_pool(cohort, groups)).all()


@greedy
def test_a_bag_of_one_patient_is_scored_or_refused(name: str, options: dict[str, Any]) -> None:
    detector = small_detector(name, **options).fit(G)
    if not isinstance(detector, PoolDetector):
        return
    for cohort in (X, X[:1]):
        try:
            found = detector.score_pool(cohort, np.zeros(len(cohort)))
        except InputError as error:
            assert str(error).endswith("at least two groups.")
        else:
            assert np.isfinite(found).all()
            assert name not in {"calibrated_distance", "density_ratio", "gen_lra"}


@pytest.mark.parametrize("name", [n for n, c in DETECTORS.items() if c.needs_reference])
def test_an_empty_reference_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="empty side"):
        small_detector(name).fit(G, unused=R[:0]).score_samples(X)


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


# without a reference its score is the similarity itself; an audit then takes the cohort
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
    detector = usual(name)
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
    ("density_ratio", {"dims": 1}, "density_ratio: dims must be 2 or more, 1 was given"),
    ("density_ratio", {"k": 0}, "density_ratio: k must be 1 or more, 0 was given"),
    ("gen_lra", {"dims": 0}, "gen_lra: dims must be 2 or more"),
    ("gen_lra", {"k": -1}, "gen_lra: k must be 1 or more, -1 was given"),
    ("neighbour_share", {"k": 0}, "neighbour_share: k must be 1 or more"),
    ("neighbour_share", {"dims": 0}, "neighbour_share: dims must be 1 or more"),
    ("two_sample_classifier", {"dims": 0}, "two_sample_classifier: dims must be 1 or more"),
    ("two_sample_classifier", {"strength": 0.0}, "strength must be above 0, 0 was given"),
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
        create(DETECTORS, name, "detector", **options)


@pytest.mark.parametrize("name", ["nearest_distance", "calibrated_distance", "retrieval_count"])
def test_an_unknown_space_is_refused(name: str) -> None:
    with pytest.raises(
        InputError, match="unknown space 'hog'. Known: band_pass, contrast, gradients, pca"
    ):
        DETECTORS[name].factory(space="hog").fit(G, unused=R).score_samples(X)


@pytest.mark.parametrize("name", ["nearest_distance", "calibrated_distance"])
def test_no_neighbours_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="k must be 1 or more, 0 was given"):
        DETECTORS[name].factory(k=0).fit(G, unused=R).score_samples(X)


NOT_IMAGES = [
    (np.zeros((4, 8, 8, 2), np.float32), r"shape \[n, h, w\]"),
    (np.zeros((4, 8, 8, 9), np.float32), r"volumes \[n, s, s, s\]"),
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
        usual(name).score_samples(array)


@pytest.mark.parametrize("name", [n for n, c in DETECTORS.items() if c.takes == "grey"])
def test_colour_is_luma_to_a_detector_of_grey_images(name: str) -> None:
    colour = np.stack([U, np.roll(U, 1, 0), np.roll(U, 2, 0)], axis=3)
    detector = usual(name)
    luma = luma_of(colour)
    np.testing.assert_array_equal(detector.score_samples(colour), detector.score_samples(luma))
    with pytest.raises(InputError, match="which detectors take volumes"):
        detector.score_samples(np.zeros((4, 8, 8, 8), np.float32))


def test_auto_runs_what_takes_the_images_and_a_name_that_does_not_is_refused() -> None:
    plans = {kind: plan_columns(None, True, effort="high", kind=kind) for kind in KINDS}
    flat = tuple(c for c in plans["colour"] if c.name != "matched_filter_pool_chroma")
    assert plans["grey"] == flat != plans["colour"]  # chroma has a column of its own
    left = [c for c in plans["grey"] if c.choice.takes == "all" and c.name[-3:] != "_64"]
    assert plans["volume"] == tuple(left) != plans["grey"]
    with pytest.raises(InputError, match="ssim_rerank compares grey images.*3-D volumes"):
        plan_columns(["ssim_rerank"], True, kind="volume")


@pytest.mark.parametrize("effort", EFFORTS)
def test_auto_holds_the_detectors_of_its_effort(effort: Any) -> None:
    ladder = list(EFFORTS)
    allowed = ladder[: ladder.index(effort) + 1]
    plan = plan_columns(["auto"], has_reference=True, effort=effort)
    assert {c.detector for c in plan} == {n for n, c in DETECTORS.items() if c.effort in allowed}
    assert len({c.name for c in plan}) == len(plan)
    assert {f"matched_filter_pool_{size}" for size in (8, 16, 32, 64)} <= {c.name for c in plan}
    assert not any(c.learns for c in plan)  # nothing that learns runs unasked
    for column in plan:
        assert column.weight == DETECTORS[column.detector].weight
        assert column.pool == DETECTORS[column.detector].pool


def test_auto_of_normal_effort_is_the_default() -> None:
    plan = plan_columns(None, has_reference=True)
    assert plan == plan_columns(["auto"], True) == plan_columns(None, True, effort="normal")
    more = plan_columns(["mean_rank", "auto"], True)
    assert [c.name for c in more] == ["mean_rank", *(c.name for c in plan)]
    twice = plan_columns(["auto", "reconstruction_ratio"], True)
    assert sorted(c.name for c in twice) == sorted(c.name for c in plan)


def test_an_effort_that_nothing_asks_for_is_refused() -> None:
    with pytest.raises(InputError, match="unknown effort 'hard'. Known: low, normal, high"):
        plan_columns(None, True, effort="hard")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="name auto as well"):
        plan_columns(["mc_ball"], True, effort="high")


def test_without_a_reference_the_bag_serves_as_one() -> None:
    plan = {c.name: c.pool for c in plan_columns(None, has_reference=False)}
    assert plan["calibrated_distance_5"]
    assert not plan["nearest_distance_contrast"]
    assert not {c.name: c.pool for c in plan_columns(None, True)}["calibrated_distance_5"]


def test_the_plan_keeps_the_order_of_the_names() -> None:
    plan = plan_columns(["mc_ball", "nearest_distance"], has_reference=True)
    assert [c.name for c in plan] == ["mc_ball", "nearest_distance"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nearest_distanc"], "unknown detector .* Did you mean 'nearest_distance'"),
        (["mc_ball", "mc_ball"], "a detector is named twice: mc_ball, mc_ball"),
        (["matched_filter"], "matched_filter needs a reference: give reference=DIR"),
    ],
)
def test_a_plan_that_cannot_run_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_columns(names, has_reference=False)
