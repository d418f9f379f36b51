"""The matched filter against numpy's SVD and against the ridge regression it stands for."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reference_worlds import reference_world
from vestige import detectors
from vestige.detectors import cosine_search
from vestige.features import whitening as whitening_rows
from vestige.features.whitening import whitening_of_both
from vestige.images.kinds import chroma_added
from vestige.registry.entries import InputError
from vestige.stats.intervals import auc
from vestige.types import Floats, Images

WORLD = reference_world("copy", 6)
G, R = WORLD.generated[:90], WORLD.reference[:60]
X = np.concatenate([WORLD.used[:15], WORLD.unused[:15]])
# images as they are; tests/detectors/test_views.py is about the others
MatchedFilter = partial(detectors.MatchedFilter, views="none")
MatchedFilterPool = partial(detectors.MatchedFilterPool, views="none")
FLOAT32 = 1e-5  # of a cosine: whitening amplifies the rounding of small components


def flat(images: Images) -> Floats:
    return images.reshape(len(images), -1).astype(np.float64)


def whitened(train: Images, images: Images, ridge: float) -> Floats:
    """Unit rows diag(1/sqrt(ev + ridge mean(ev))) V (x - mu), all components, float64."""
    mean = flat(train).mean(axis=0)
    singular, span = np.linalg.svd(flat(train) - mean, full_matrices=False)[1:]
    ev = singular**2 / len(train)
    kept = ev > 1e-6 * ev[0]  # what a float32 Gram matrix can tell from nothing
    ev, span = ev[kept], span[kept]
    rows = (flat(images) - mean) @ span.T / np.sqrt(ev + ridge * ev.mean())
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def top(cosines: Floats, k: int) -> Floats:
    return np.asarray(np.sort(cosines, axis=1)[:, -k:].mean(axis=1))


def competed(cosines: Floats, rivals: Floats, k: int = 10) -> Floats:
    """Cosines [n, m] less the mean of the k largest of each column of rivals [r, m]."""
    return cosines - np.sort(rivals, axis=0)[-k:].mean(axis=0)


@pytest.mark.parametrize("k", [1, 3, 500])
@pytest.mark.parametrize("ridge", [0.01, 0.1])
def test_reference_form_equals_numpy(k: int, ridge: float) -> None:
    made = whitened(R, G, ridge).T
    cosines, rivals = whitened(R, X, ridge) @ made, whitened(R, R, ridge) @ made
    found = MatchedFilter(top=k, ridge=ridge).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, top(competed(cosines, rivals), k), atol=FLOAT32)
    plain = MatchedFilter(top=k, ridge=ridge, competition=0).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(plain, top(cosines, k), atol=FLOAT32)


def test_reference_larger_than_the_number_of_pixels() -> None:
    g, r, x = (images[:, ::4, ::4] for images in (G, WORLD.reference, X))  # 64 pixels, 200 reals
    made = whitened(r, g, 0.1).T
    cosines, rivals = whitened(r, x, 0.1) @ made, whitened(r, r, 0.1) @ made
    found = MatchedFilter().fit(g, unused=r).score_samples(x)
    np.testing.assert_allclose(found, top(competed(cosines, rivals), 3), atol=FLOAT32)


def test_more_rivals_asked_for_than_there_are() -> None:
    made = whitened(R, G, 0.1).T
    cosines, rivals = whitened(R, X, 0.1) @ made, whitened(R, R, 0.1) @ made
    found = MatchedFilter(competition=1000).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, top(cosines - rivals.mean(axis=0), 3), atol=FLOAT32)


def test_the_cube_equals_numpy() -> None:
    cosines = whitened(R, X, 0.1) @ whitened(R, G, 0.1).T
    found = MatchedFilter(aggregate="cube").fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, (cosines**3).mean(axis=1), atol=FLOAT32)


def test_the_generated_set_may_take_part_in_the_whitening() -> None:
    both = np.concatenate([X, G])
    cosines = whitened(both, X, 0.1) @ whitened(both, G, 0.1).T
    options: dict[str, Any] = {"whitened_by": "both", "aggregate": "cube"}
    found = MatchedFilterPool(**options).fit(G).score_pool(X)
    np.testing.assert_allclose(found, (cosines**3).mean(axis=1), atol=FLOAT32)
    both = np.concatenate([R, G])
    cosines = whitened(both, X, 0.1) @ whitened(both, G, 0.1).T
    found = MatchedFilter(**options).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, (cosines**3).mean(axis=1), atol=FLOAT32)


def test_logsumexp_equals_numpy() -> None:
    cosines = whitened(R, X, 0.1) @ whitened(R, G, 0.1).T
    found = MatchedFilter(aggregate="logsumexp").fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, np.log(np.exp(cosines / 0.1).sum(axis=1)), rtol=1e-5)


def test_bag_form_equals_numpy_and_uses_the_reference_too() -> None:
    cosines = whitened(X, X, 0.1) @ whitened(X, G, 0.1).T
    found = MatchedFilterPool().fit(G).score_pool(X)
    np.testing.assert_allclose(found, top(competed(cosines, cosines), 3), atol=FLOAT32)
    both = np.concatenate([X, R])
    cosines = whitened(both, X, 0.1) @ whitened(both, G, 0.1).T
    found = MatchedFilterPool().fit(G, unused=R).score_pool(X)
    np.testing.assert_allclose(found, top(competed(cosines, cosines), 3), atol=FLOAT32)


def test_bag_form_is_the_ridge_regression_of_each_generated_image_on_all_reals() -> None:
    # The dual form, which decomposes nothing: with K the Gram matrix of the centred cohort B, the
    # product x'(ev + l)^-1 s is n times the coefficient of s on x in a ridge regression on all
    # rows of B with penalty n l; the norms of x and of s follow in the same way.
    ridge = 0.1
    mean = flat(X).mean(axis=0)
    cohort, s = flat(X) - mean, flat(G) - mean
    n = len(cohort)
    gram = cohort @ cohort.T
    penalty = ridge * np.trace(gram) / (n - 1) * np.eye(n)  # n l, l = ridge x mean eigenvalue
    coefficients = np.linalg.solve(gram + penalty, cohort @ s.T)
    of_x = np.sqrt(n * np.diag(np.linalg.solve(gram + penalty, gram)))
    in_span = np.linalg.pinv(gram, rcond=1e-12) @ cohort @ s.T  # s projected on the cohort
    of_s = np.sqrt(n * np.einsum("ij,ij->j", in_span, coefficients))
    cosines = n * coefficients / of_x[:, None] / of_s[None, :]
    np.testing.assert_allclose(cosines, whitened(X, X, ridge) @ whitened(X, G, ridge).T, atol=1e-9)
    for k in (1, 3):
        found = MatchedFilterPool(top=k, ridge=ridge, competition=0).fit(G).score_pool(X)
        np.testing.assert_allclose(found, top(cosines, k), atol=FLOAT32)


@pytest.mark.parametrize("build", [MatchedFilter, MatchedFilterPool])
def test_a_common_change_of_grey_levels_changes_nothing(build: Any) -> None:
    def changed(images: Images) -> Images:
        return np.float32(0.6) * images + np.float32(0.2)

    plain = build().fit(G, unused=R).score_samples(X)
    turned = build().fit(changed(G), unused=changed(R)).score_samples(changed(X))
    np.testing.assert_allclose(turned, plain, atol=2e-5)


def test_a_verbatim_copy_has_cosine_one() -> None:
    pool = np.concatenate([G, X[:4]])
    found = MatchedFilter(top=1, competition=0).fit(pool, unused=R).score_samples(X)
    np.testing.assert_allclose(found[:4], 1, atol=1e-6)
    assert (found <= 1 + 1e-6).all()


def test_two_reference_images_leave_one_direction() -> None:
    found = MatchedFilter(top=1, competition=0).fit(G, unused=R[:2]).score_samples(X)
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)


def test_an_image_equal_to_the_mean_scores_zero() -> None:
    reference = np.stack([R[0], 1 - R[0]])
    mean = reference.mean(axis=0, dtype=np.float64).astype(np.float32)
    np.testing.assert_allclose(
        MatchedFilter(competition=0).fit(G, unused=reference).score_samples(mean[None]),
        0,
        atol=1e-6,
    )


def test_equal_reference_images_leave_nothing_to_compare() -> None:
    found = MatchedFilter().fit(G, unused=np.repeat(R[:1], 5, axis=0)).score_samples(X)
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("aggregate", ["top", "cube", "logsumexp"])
def test_the_block_size_changes_nothing(aggregate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = MatchedFilterPool(aggregate=aggregate).fit(G)
    whole = detector.score_pool(X)
    near = detector.nearest_pool(X, 5)
    for rows in (1, 7, 89):
        monkeypatch.setattr(cosine_search, "BLOCK_BYTES", 4 * 32 * 32 * rows)
        np.testing.assert_allclose(detector.score_pool(X), whole, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(detector.nearest_pool(X, 5)[1], near[1])


def test_evidence_is_the_nearest_by_brute_force() -> None:
    cosines = whitened(X, X, 0.1) @ whitened(X, G, 0.1).T
    detector = MatchedFilterPool(competition=0).fit(G)
    similarity, rows, symmetries = detector.nearest_pool(X, 4)
    assert not symmetries.any()
    np.testing.assert_array_equal(rows, np.argsort(-cosines, axis=1)[:, :4])
    np.testing.assert_allclose(similarity, -np.sort(-cosines, axis=1)[:, :4], atol=FLOAT32)
    assert similarity.dtype == np.float64
    np.testing.assert_allclose(similarity[:, :3].mean(axis=1), detector.score_pool(X), atol=1e-6)
    assert detector.nearest_pool(X, 1000)[0].shape == (30, 90)


def test_evidence_of_equal_generated_images_names_the_first() -> None:
    pool = np.concatenate([G[:10], X[:1], X[:1], G[10:]])
    similarity, rows, _ = MatchedFilterPool().fit(pool).nearest_pool(X, 2)
    assert similarity[0, 0] == pytest.approx(1, abs=1e-6)
    assert set(rows[0]) == {10, 11}


def test_many_wide_rows_whiten_as_all_of_them_nearly_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the generated rows, chosen by content, stand for all and count twice."""
    rng = np.random.default_rng(0)
    scale = np.linspace(2, 0.1, 60)
    reals, made = ((rng.normal(size=(n, 60)) * scale).astype(np.float32) for n in (30, 4000))
    whole = whitening_of_both(reals, [made], 0.1)
    monkeypatch.setattr(whitening_rows, "WIDE", 60)
    monkeypatch.setattr(whitening_rows, "HELD_ROWS", 4 * 60 * 2030)
    some = whitening_of_both(reals, [made], 0.1)
    turned = whitening_of_both(reals, [made[::-1]], 0.1)
    rows = (rng.normal(size=(40, 60)) * scale).astype(np.float32)
    cosines = [(found.apply(rows) @ found.apply(rows).T).ravel() for found in (whole, some, turned)]
    np.testing.assert_allclose(cosines[1], cosines[0], atol=0.05)
    np.testing.assert_allclose(cosines[2], cosines[1], atol=1e-4)


def test_chroma_alone_finds_copies_of_the_colours_that_luma_hides() -> None:
    rng = np.random.default_rng(3)

    def fields(n: int) -> Floats:
        return np.asarray(gaussian_filter(rng.normal(size=(n, 32, 32)), (0, 1, 1)))

    def coloured(luma: Floats, blue: Floats, red: Floats) -> Images:
        planes = 0.05 * np.stack([blue, red], axis=1)
        return np.clip(chroma_added(0.5 + 0.5 * luma, planes), 0, 1).astype(np.float32)

    blue, red = fields(50), fields(50)
    cohort = coloured(fields(50), blue, red)
    made = coloured(fields(25), blue[:25], red[:25])  # the colours of the first half
    found = {}
    for space in ("chroma", "pixels"):
        scores = MatchedFilterPool(space=space).fit(made).score_pool(cohort)
        found[space] = auc(scores[:25], scores[25:])
    assert found["chroma"] > 0.99 > 0.9 > found["pixels"]
    with pytest.raises(InputError, match="chroma is that of colour images; grey images"):
        MatchedFilterPool(space="chroma").fit(G)
