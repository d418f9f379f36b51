"""Every published label-free detector equals its formula, image by image, to 1e-6.

The formulas of docs/methods.md 2.3-2.10 are written down here a second time, slowly and in float64:
one image, one list of generated images, one list of unused ones. In a cohort the unused are the
images of other patients; the patients have one to five images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from reference_worlds import reference_world
from vestige.detectors import DETECTORS, TwoSampleClassifier
from vestige.features.pca import PCA
from vestige.features.pixels import Pixels
from vestige.registry.entries import create
from vestige.types import Floats, Images

WORLD, OTHER = reference_world("copy", 5), reference_world("null", 5)
G, R = WORLD.generated[:150], WORLD.reference[:100]
BAG = np.concatenate([WORLD.used[:45], WORLD.unused[:45]])
MANY_R = np.concatenate([WORLD.reference, OTHER.reference])
MANY_BAG = np.concatenate([WORLD.used, WORLD.unused, OTHER.used, OTHER.reference[:60]])

Formula = Callable[[Floats, Floats, Floats, Floats, bool], float]
"""x [d], S [m, d], R [n, d], the images that set a kernel or a radius, whether in a cohort."""


def patients(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Labels of patients with 1, 2, 3, 4, 5, 1, ... images, in no order."""
    labels = np.repeat(np.arange(n), 1 + np.arange(n) % 5)[:n]
    return np.random.default_rng(0).permutation(labels)


def d(x: Floats, pool: Floats) -> Floats:
    return np.asarray(np.sort(np.sqrt(((pool - x) ** 2).sum(axis=1))))


def nearest(k: int) -> Formula:
    return lambda x, s, r, whole, cohort: -d(x, s)[:k].mean()


def calibrated(form: str, k: int) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        to_r, to_s = d(x, r)[:k].mean(), d(x, s)[:k].mean()
        return to_r - to_s if form == "difference" else np.log(to_r + 1e-9) - np.log(to_s + 1e-9)

    return score


def ball(form: str) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        radius = np.quantile([d(w, s)[0] for w in whole], 0.5 if cohort else 0.05)
        inside = [distance for distance in d(x, s) if distance < radius]
        return sum(1 if form == "count" else np.log(radius / i) for i in inside) / len(s)

    return score


def log_kernels(x: Floats, points: Floats, of: Floats, silverman: bool = False) -> Floats:
    """log K_H(x - point) with the covariance and bandwidth of the set `of`."""
    n, dims = of.shape
    covariance = np.cov(of.T)
    covariance = covariance + 1e-6 * np.trace(covariance) / dims * np.eye(dims)
    covariance = covariance * (n * (dims + 2) / 4 if silverman else n) ** (-2 / (dims + 4))
    steps = points - x
    squares = (steps * np.linalg.solve(covariance, steps.T).T).sum(axis=1)
    return np.asarray(-squares / 2 - np.linalg.slogdet(2 * np.pi * covariance)[1] / 2)


def log_p(x: Floats, points: Floats, of: Floats, silverman: bool = False) -> float:
    return float(logsumexp(log_kernels(x, points, of, silverman)) - np.log(len(points)))


def kernel_density(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
    return log_p(x, s, s) - log_p(x, r, whole)


def neighbour_density(k: int) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        ratio = np.log(d(x, r)[k - 1] + 1e-9) - np.log(d(x, s)[k - 1] + 1e-9)
        return len(x) * ratio + np.log(len(r) / len(s))

    return score


def closest(x: Floats, s: Floats, k: int) -> Floats:
    return np.asarray(s[np.argsort(((s - x) ** 2).sum(axis=1))[:k]])


def local_likelihood(k: int) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        total, n = 0.0, len(r)
        for g in closest(x, s, k):
            p = np.exp(log_p(g, r, whole))  # does not underflow here
            total += np.log((n * p + np.exp(log_kernels(g, x[None], whole)[0])) / ((n + 1) * p))
        return total

    return score


def local_likelihood_refit(k: int) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        joined = np.vstack([r, x])
        return sum(
            log_p(g, joined, joined, silverman=True) - log_p(g, r, r, silverman=True)
            for g in closest(x, s, k)
        )

    return score


def share(k: int) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        labelled = [(distance, 1) for distance in d(x, s)] + [(distance, 0) for distance in d(x, r)]
        n_s = sum(label for _, label in sorted(labelled)[:k])
        return np.log((n_s + 0.5) / (k - n_s + 0.5)) - np.log(len(s) / len(r))

    return score


def ranks(x: Floats, s: Floats, r: Floats) -> Floats:
    return np.array([1.0 + (((r - g) ** 2).sum(1) < ((x - g) ** 2).sum()).sum() for g in s])


def retrieval(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
    return float((ranks(x, s, r) == 1).sum() - 1e-6 * d(x, s)[0])


def rank(summary: str) -> Formula:
    def score(x: Floats, s: Floats, r: Floats, whole: Floats, cohort: bool) -> float:
        found = ranks(x, s, r)
        if summary == "best":
            return -np.sort(found)[: max(3, len(s) // 100)].mean()
        return -(np.log(found) if summary == "log" else found).mean()

    return score


KNN: dict[str, Any] = {"estimator": "knn", "views": "none"}
CASES: list[tuple[str, dict[str, Any], Formula]] = [
    *[("nearest_distance", {"k": k}, nearest(k)) for k in (1, 3, 40)],
    ("nearest_distance", {"k": 2, "space": "contrast"}, nearest(2)),
    ("nearest_distance", {"k": 5, "space": "pca"}, nearest(5)),
    *[
        ("calibrated_distance", {"form": form, "k": k}, calibrated(form, k))
        for form in ("log_ratio", "difference")
        for k in (1, 3, 99)  # 99: all that there are, in a cohort
    ],
    ("calibrated_distance", {"space": "pca", "k": 2}, calibrated("log_ratio", 2)),
    ("mc_ball", {"form": "log"}, ball("log")),
    ("mc_ball", {"form": "count"}, ball("count")),
    ("density_ratio", {}, kernel_density),
    ("density_ratio", {"dims": 8}, kernel_density),
    ("density_ratio", KNN, neighbour_density(1)),
    (
        "density_ratio",
        KNN | {"k": 5, "dims": 8},
        neighbour_density(5),
    ),
    ("gen_lra", {}, local_likelihood(20)),
    ("gen_lra", {"k": 200, "dims": 5}, local_likelihood(200)),  # more than there are
    ("gen_lra", {"k": 10, "refit": True}, local_likelihood_refit(10)),
    ("neighbour_share", {}, share(5)),
    ("neighbour_share", {"k": 20, "dims": 8}, share(20)),
    ("retrieval_count", {}, retrieval),
    ("retrieval_count", {"space": "pca"}, retrieval),
    *[("mean_rank", {"summary": s}, rank(s)) for s in ("best", "log", "mean")],
]
BAG_CASES = [case for case in CASES if case[0] != "nearest_distance"]  # compares with no R


def every(cases: list[tuple[str, dict[str, Any], Formula]]) -> pytest.MarkDecorator:
    ids = [f"{name} {' '.join(map(str, options.values()))}" for name, options, _ in cases]
    return pytest.mark.parametrize(("name", "options", "formula"), cases, ids=ids)


def published(name: str, options: dict[str, Any]) -> Any:
    """The detector, looking at images as they are: the papers know no views."""
    views = {"views": "none"} if DETECTORS[name].views else {}
    return create(DETECTORS, name, "detector", **views, **options)


def spaces(detector: Any, generated: Images, others: Images, *more: Images) -> list[Floats]:
    """Rows of all sets in the space of the detector, float64."""
    if getattr(detector, "space", "pca") == "pca":
        dims = detector.dims
        if hasattr(detector, "estimator") or hasattr(detector, "refit"):
            dims = min(dims, len(others) // 5)
        space: Any = PCA(dims, detector.size).fit_pair(generated, others)
    else:
        space = Pixels(detector.size, contrast=detector.space == "contrast")
    return [space.transform(images).astype(np.float64) for images in (generated, others, *more)]


def assert_equal(found: Floats, wanted: list[float]) -> None:
    assert np.ptp(wanted) > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8 * np.abs(wanted).max())


@every(CASES)
def test_against_a_reference(name: str, options: dict[str, Any], formula: Formula) -> None:
    detector = published(name, options)
    s, r, x = spaces(detector, G, R, BAG[::3])
    found = detector.fit(G, unused=R).score_samples(BAG[::3])
    assert_equal(found, [formula(row, s, r, r, False) for row in x])


@every(BAG_CASES)
def test_in_a_bag(name: str, options: dict[str, Any], formula: Formula) -> None:
    detector = published(name, options)
    groups = patients(len(BAG))
    s, x = spaces(detector, G, BAG)
    found = detector.fit(G).score_pool(BAG, groups)
    wanted = [
        formula(row, s, x[groups != own], x, True) for row, own in zip(x, groups, strict=True)
    ]
    assert_equal(found, wanted)


@pytest.mark.parametrize("dims", [32, 64])
def test_the_density_ratio_in_many_dimensions(dims: int) -> None:
    detector: Any = create(DETECTORS, "density_ratio", "detector", dims=dims)
    s, r, x = spaces(detector, WORLD.generated, MANY_R, BAG[::3])
    assert x.shape[1] == dims
    found = detector.fit(WORLD.generated, unused=MANY_R).score_samples(BAG[::3])
    assert_equal(found, [kernel_density(row, s, r, r, False) for row in x])
    groups = patients(len(MANY_BAG))
    s, x = spaces(detector, WORLD.generated, MANY_BAG)
    assert x.shape[1] == dims
    found = detector.fit(WORLD.generated).score_pool(MANY_BAG, groups)
    wanted = [kernel_density(x[i], s, x[groups != groups[i]], x, True) for i in range(0, 360, 9)]
    assert_equal(found[::9], wanted)


@pytest.mark.parametrize("in_a_bag", [False, True])
def test_the_classifier_is_that_of_scikit_learn(in_a_bag: bool) -> None:
    from sklearn.linear_model import LogisticRegression

    others = BAG if in_a_bag else R
    s, r, x = spaces(TwoSampleClassifier(), G, others, BAG)
    # both sets count the same in the mean and the variance too
    mean = (s.mean(axis=0) + r.mean(axis=0)) / 2
    variance = (((s - mean) ** 2).mean(axis=0) + ((r - mean) ** 2).mean(axis=0)) / 2
    s, r, x = ((rows - mean) / np.sqrt(variance) for rows in (s, r, x))
    model = LogisticRegression(
        C=0.01, class_weight="balanced", solver="newton-cholesky", tol=1e-12
    ).fit(np.vstack([s, r]), np.arange(len(s) + len(r)) < len(s))
    wanted = model.decision_function(x)
    detector = TwoSampleClassifier().fit(G, unused=R)
    found = detector.score_pool(BAG) if in_a_bag else detector.score_samples(BAG)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7 * np.ptp(wanted))


def test_gen_lra_far_away_is_the_cost_of_one_more_image() -> None:
    far = np.clip(BAG[:3] + np.float32(0.8), 0, 1)
    found = DETECTORS["gen_lra"].factory(k=7).fit(G, unused=R).score_samples(far)
    np.testing.assert_allclose(found, 7 * np.log(len(R) / (len(R) + 1)), rtol=1e-9)


def test_gen_lra_grows_as_x_comes_near() -> None:
    start, end = WORLD.unused[60], G[3]
    steps = np.array([start + t * (end - start) for t in np.linspace(0, 1, 12)])
    found = DETECTORS["gen_lra"].factory(k=1).fit(G, unused=R).score_samples(steps)
    assert (np.diff(found[-6:]) > 0).all()  # where the nearest generated image is `end`
    assert found[-1] == found.max()


def test_gen_lra_closed_form_and_refit_agree_about_the_order() -> None:
    # docs/methods.md 2.7: values differ, Spearman .965 over 30 points at n = 400
    from scipy.stats import spearmanr

    x = np.concatenate([WORLD.used[:15], WORLD.unused[:15]])
    closed, refit = (
        DETECTORS["gen_lra"].factory(refit=refit, dims=8).fit(G, unused=MANY_R).score_samples(x)
        for refit in (False, True)
    )
    assert spearmanr(closed, refit).statistic > 0.8
    assert np.abs(closed - refit).max() > 0.01


def test_neighbour_share_has_k_plus_1_values_and_flips_when_the_sets_swap() -> None:
    forward = DETECTORS["neighbour_share"].factory().fit(G, unused=R).score_samples(BAG)
    assert len(np.unique(forward)) <= 6
    backward = DETECTORS["neighbour_share"].factory().fit(R, unused=G).score_samples(BAG)
    np.testing.assert_allclose(backward, -forward, rtol=1e-12)


def test_neighbour_share_of_equal_sets_is_0_whatever_ties() -> None:
    # every generated image is a reference image too: each place is shared, none by file order
    for k in (1, 4, 5, 500):
        detector: Any = DETECTORS["neighbour_share"].factory(k=k)
        found = detector.fit(R, unused=R[::-1]).score_samples(BAG)
        np.testing.assert_allclose(found, 0, atol=1e-12)


def test_neighbour_share_with_more_neighbours_than_images_takes_all() -> None:
    detector: Any = DETECTORS["neighbour_share"].factory(k=900)
    wanted = np.log(150.5 / 100.5) - np.log(150 / 100)
    np.testing.assert_allclose(detector.fit(G, unused=R).score_samples(BAG), wanted, rtol=1e-9)
    groups = patients(len(BAG))
    others = np.array([(groups != own).sum() for own in groups])
    wanted = np.log(150.5 / (others + 0.5)) - np.log(150 / others)
    np.testing.assert_allclose(detector.fit(G).score_pool(BAG, groups), wanted, rtol=1e-9)
