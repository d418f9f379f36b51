"""Where a published form loses the ranking to arithmetic, and ours does not.

Each test shows first that the form as published fails (ties, not a number, lost rows, a rate that
no threshold has), then that the detector on the same images does not. docs/methods.md 2.3-2.8, 4.4.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import gaussian_kde
from sklearn.metrics import roc_curve

from reference_worlds import reference_world
from vestige.detectors import (
    CalibratedDistance,
    DensityRatio,
    GenLRA,
    NearestDistance,
    NeighbourShare,
    TwoSampleClassifier,
)
from vestige.detectors.density_ratio import shared_components
from vestige.registry.entries import InputError
from vestige.stats.density import GaussianKDE
from vestige.stats.roc import tpr_at_fpr
from vestige.types import Floats, Images

WORLD = reference_world("copy", 6)
G, R = WORLD.generated, WORLD.reference
X = np.concatenate([WORLD.used, WORLD.unused])


def naive(formula: Any) -> Floats:
    """A published formula with its overflows and divisions by 0 let pass, as a script does."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.asarray(formula())


def large(images: Images) -> Images:
    """256 px, with grain of their own at every pixel."""
    grain = np.random.default_rng(len(images)).normal(0, 0.1, (len(images), 256, 256))
    wide = np.repeat(np.repeat(images, 8, axis=1), 8, axis=2)
    return np.clip(0.25 + wide / 2 + grain, 0, 1).astype(np.float32)


def test_exp_of_a_squared_distance_underflows_at_256_px() -> None:
    pool, images = large(G[:40]), large(X[90:110])
    found = NearestDistance(size=256).fit(pool).score_samples(images)
    trap = naive(lambda: np.exp(-(found**2)))
    assert (trap == 0).all()  # every image ties with every other
    assert len(np.unique(found)) == len(images)


def test_batches_of_ten_drop_the_last_rows() -> None:
    queries = X[:37]
    batches = [queries[10 * i : 10 * i + 10] for i in range(len(queries) // 10)]
    detector = NearestDistance().fit(G)
    assert sum(len(detector.score_samples(batch)) for batch in batches) == 30  # as released
    found = detector.score_samples(queries)
    assert found.shape == (37,)
    one_by_one = [detector.score_samples(query[None])[0] for query in queries]
    np.testing.assert_allclose(found, one_by_one, rtol=1e-6)


def test_a_sigmoid_of_distances_saturates() -> None:
    # at 256 px a copy is some 40 nearer to S than to unused images
    images = large(X[:20])
    noise = np.random.default_rng(1).normal(0, 1, images.shape)
    copies = images + noise * np.linspace(0.001, 0.02, 20)[:, None, None]
    pool, reference = copies.astype(np.float32), large(R[:15])
    detector = CalibratedDistance(size=256, form="difference").fit(pool, unused=reference)
    found = detector.score_samples(images)
    assert len(np.unique(naive(lambda: expit(found).astype(np.float32)))) == 1  # all are 1
    assert len(np.unique(found)) == 20
    ratio = CalibratedDistance(size=256).fit(pool, unused=reference).score_samples(images)
    assert len(np.unique(ratio)) == 20


def rows_in_64_dimensions(scale: float, shift: float) -> tuple[Floats, Floats, Floats]:
    """S around `shift`, R around 0, queries along the way, sd `scale`."""
    rng = np.random.default_rng(2)
    s, r = (rng.normal(0, scale, (400, 64)) for _ in range(2))
    return s + shift, r, np.outer(np.linspace(0, 1, 12), np.full(64, shift)) + s[:12]


@pytest.mark.parametrize(
    ("scale", "shift", "failure"),
    [
        (1.0, 20.0, "nan, 0 or p_S alone"),  # both densities underflow
        (1e-7, 1e-6, "infinite"),  # densities overflow: 64 dimensions of small sd
    ],
)
def test_the_quotient_of_densities_under_and_overflows(
    scale: float, shift: float, failure: str
) -> None:
    s, r, x = rows_in_64_dimensions(scale, shift)
    trap = naive(lambda: gaussian_kde(s.T)(x.T) / (gaussian_kde(r.T)(x.T) + 1e-20))
    if failure == "infinite":
        assert (~np.isfinite(trap)).any()
    else:
        assert (trap == 0).sum() > 1  # ties
    found = GaussianKDE(s).log_density(x) - GaussianKDE(r).log_density(x)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == len(x)
    assert (np.diff(found) > 0).all()  # from R towards S


def test_the_quotient_of_densities_of_unusual_images_is_0_for_most() -> None:
    unusual = (1 - X).astype(np.float32)
    embed, s = shared_components(G, R, 64, 16)
    r, x = embed.transform(R), embed.transform(unusual)
    trap = naive(lambda: gaussian_kde(s.T)(x.T) / (gaussian_kde(r.T)(x.T) + 1e-20))
    assert (trap == 0).mean() > 0.9
    found = DensityRatio(dims=64).fit(G, unused=R).score_samples(unusual)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == len(X)


@pytest.mark.parametrize(("n", "dims"), [(1, 8), (2, 8), (7, 8), (15, 16), (2, 64), (40, 64)])
def test_a_density_of_more_dimensions_than_points_is_singular(n: int, dims: int) -> None:
    _, s = shared_components(G, R, 40, 16)
    # 64 dimensions of which 24 are constant: singular for any n
    wide = np.hstack([s, np.zeros((len(s), 24), np.float32)])[:, :dims]
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        gaussian_kde(wide[:n].T)
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        gaussian_kde(np.tile(wide[:n], (99, 1)).T)
    assert np.isfinite(GaussianKDE(wide[:n]).log_density(wide[:60])).all()


def test_64_dimensions_asked_of_few_images_are_fewer() -> None:
    for generated, reference in ((G, R[:30]), (G[:30], R), (G[:3], R[:3]), (G[:1], R[:1])):
        fewest = min(len(generated), len(reference))
        assert shared_components(generated, reference, 64, 16)[1].shape[1] <= max(2, fewest // 5)
        found = DensityRatio(dims=64).fit(generated, unused=reference).score_samples(X)
        assert np.isfinite(found).all()
        assert len(np.unique(found)) > 1


def test_64_dimensions_of_duplicates_are_singular() -> None:
    # 400 generated images, 10 of them different: scipy has no density, the ridge has one
    doubled = np.tile(G[:10], (40, 1, 1))
    many = np.concatenate([R, reference_world("null", 6).reference])
    _, s = shared_components(doubled, many, 64, 16)
    assert s.shape[1] == 64
    with pytest.raises(np.linalg.LinAlgError):
        gaussian_kde(s.T)
    found = DensityRatio(dims=64).fit(doubled, unused=many).score_samples(X)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == len(X)


def test_the_local_likelihood_as_a_quotient_is_not_a_number() -> None:
    # generated images that no unused one is near: p_R(g) is 0 in float64
    inverted = (1 - G).astype(np.float32)
    images = (1 - X).astype(np.float32)
    embed, s = shared_components(inverted, R, 16, 16)
    r, x = embed.transform(R).astype(np.float64), embed.transform(images).astype(np.float64)
    trap = []
    for row in x:
        g = s[np.argsort(((s - row) ** 2).sum(axis=1))[:20]].T
        p, joined = gaussian_kde(r.T), gaussian_kde(np.vstack([r, row]).T)
        trap.append(naive(lambda g=g, p=p, j=joined: np.log(j(g) / p(g)).sum()))  # type: ignore[misc]
    assert not np.isfinite(trap).all()
    for refit in (False, True):
        found = GenLRA(refit=refit).fit(inverted, unused=R).score_samples(images)
        assert np.isfinite(found).all()
        assert len(np.unique(found)) == len(images)


def test_the_plagiarism_index_as_a_sigmoid_ties_before_the_last_neighbour() -> None:
    k = 50
    generated = np.concatenate([WORLD.used[:1] + np.float32(i / 4000) for i in range(48)])
    distance = np.arange(1, 60, dtype=np.float32)[:, None, None] / 1000
    near = (WORLD.used[:1] - distance).astype(np.float32)
    near = np.clip(near, 0, 1)
    counts, scores = [], []
    for n_r in (0, 1):  # none or one unused image among the neighbours
        pool = np.concatenate([generated, generated[: 2 - n_r]])
        others = np.concatenate([near[:n_r], R])
        found = NeighbourShare(k=k, dims=16).fit(pool, unused=others).score_samples(WORLD.used[:1])
        odds = found[0] + np.log(len(pool) / len(others))
        n_s = (k + 1) / (1 + np.exp(-odds)) - 0.5
        counts.append((round(n_s), k - round(n_s)))
        scores.append(odds)
    assert counts == [(50, 0), (49, 1)]
    trap = naive(lambda: [expit(n_s / (n_r + 1e-20)) for n_s, n_r in counts])
    assert trap[0] == trap[1] == 1.0
    assert scores[0] > scores[1] + 0.5


def test_probabilities_of_a_classifier_tie_where_its_logits_do_not() -> None:
    rng = np.random.default_rng(3)
    marked = G.copy()
    marked[:, :4, :4] = 0.5  # an artefact gives every generated image away
    images = X.copy()
    images[:, :4, :4] = 0.5 + rng.uniform(0, 0.4, (len(X), 1, 1)).astype(np.float32)
    found = TwoSampleClassifier(strength=1e4).fit(marked, unused=R).score_samples(images)
    rounded = naive(lambda: expit(found).astype(np.float32))
    assert len(np.unique(rounded)) < len(np.unique(found)) == len(images)


def test_an_interpolated_roc_promises_what_no_threshold_gives() -> None:
    # a score with few values, as counts of neighbours are: the curve has slanted edges
    scores = NeighbourShare().fit(G, unused=R).score_samples(X)
    used, unused = scores[:100], scores[100:]
    labels = np.r_[np.ones(100), np.zeros(100)]
    false, true, thresholds = roc_curve(labels, scores, drop_intermediate=False)

    def interpolated(rate: float) -> float:
        return float(np.interp(rate, false, true))

    # below 1 / n0 no unused image can be counted; the curve answers all the same
    assert interpolated(0.001) > 0
    with pytest.raises(InputError, match="needs 1000 unused images, 100 were given"):
        tpr_at_fpr(used, unused, 0.001)
    rates = np.linspace(0.01, 0.5, 50)
    ours = np.array([tpr_at_fpr(used, unused, float(rate)).value for rate in rates])
    reached = [
        max((used >= t).mean() for t in thresholds if (unused >= t).mean() <= rate + 1e-9)
        for rate in rates
    ]
    np.testing.assert_allclose(ours, reached)
    assert max(interpolated(rate) - t for rate, t in zip(rates, ours, strict=True)) > 0.1
