"""Views: the parts form equals a search of the mirrored and turned sets, written out."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reference_worlds import reference_world
from vestige.detectors import (
    DETECTORS,
    CalibratedDistance,
    DensityRatio,
    MatchedFilter,
    MatchedFilterPool,
    NearestDistance,
    cosine_search,
    matched_filter,
)
from vestige.detectors.matched_filter import DAMPED
from vestige.features import build_space, fit_space
from vestige.features.folding import CHANNELS
from vestige.features.pixels import Chroma
from vestige.features.whitening import Whitening, whitening
from vestige.images.kinds import Kind, in_view
from vestige.registry.entries import InputError, create
from vestige.scoring.plan import plan_columns
from vestige.stats.intervals import auc
from vestige.stats.power import null_sd
from vestige.symmetries import VIEWS, Views
from vestige.types import Embedder, Float32s, Floats, GrowingDetector, Images, PoolDetector

WORLD = reference_world("copy", 6)
G, R = WORLD.generated[:90], WORLD.reference[:60]
X = np.concatenate([WORLD.used[:15], WORLD.unused[:15]])
FLOAT32 = 3e-5  # of a cosine: whitening amplifies the rounding of small components
SEEN: tuple[Views, ...] = ("mirror", "all")
every_view = pytest.mark.parametrize("views", SEEN)


def every_way(images: Images, views: Views) -> list[Images]:
    return [np.ascontiguousarray(in_view(images, symmetry)) for symmetry in VIEWS[views]]


def sets(kind: Kind) -> tuple[Images, Images, Images]:
    """X, G and R of a kind: in colour each channel is another image, volumes are noise."""
    if kind == "grey":
        return X, G, R
    if kind == "colour":
        parts = [(a, np.roll(a, 1, 0), np.roll(a, 3, 0)) for a in (X, G, R)]
        mixed = [np.stack([a, 0.6 * a + 0.4 * b, 0.5 * a + 0.5 * c], 3) for a, b, c in parts]
        return mixed[0], mixed[1], mixed[2]
    rng = np.random.default_rng(5)
    noise = [rng.normal(size=(n, 12, 12, 12)) for n in (len(X), len(G), len(R))]
    noise[1][:10] = noise[0][:10] + 0.3 * noise[1][:10]
    noise[1][10:20] = noise[0][:10, :, :, ::-1] + 0.3 * noise[1][10:20]
    X3, G3, R3 = (gaussian_filter(a, (0, 1, 1, 1)).astype(np.float32) + 0.5 for a in noise)
    return X3, G3, R3


every_kind = pytest.mark.parametrize(
    ("kind", "views"),
    [("grey", "mirror"), ("grey", "all"), ("colour", "mirror"), ("colour", "all"),
     ("volume", "mirror")],
)  # fmt: skip


class Plain:
    """The same without parts: whitened by the population in every view, concatenated."""

    def __init__(self, population: list[Images], views: Views, space: str, size: int) -> None:
        self.space: Embedder = Chroma(size) if space == "chroma" else build_space(space, size=size)
        self.views: Views = views
        seen = [turned for images in population for turned in every_way(images, views)]
        rows = np.concatenate([self.space.transform(images) for images in seen])
        self.filters: Whitening = whitening(rows, 0.1, (), DAMPED, sum(map(len, population)))

    def rows(self, images: Images) -> Float32s:
        return self.filters.apply(self.space.transform(images))

    def cosines(self, images: Images, generated: Images) -> Floats:
        """[views, n, m]"""
        rows = self.rows(images)
        made = [self.rows(seen) for seen in every_way(generated, self.views)]
        return np.stack([rows @ m.T for m in made]).astype(np.float64)


def top(cosines: Floats, rivals: Floats) -> Floats:
    competed = cosines - np.sort(rivals, axis=0)[-10:].mean(axis=0)
    return np.asarray(np.sort(competed, axis=1)[:, -3:].mean(axis=1))


@every_kind
@pytest.mark.parametrize("size", [9, 16, 32])
@pytest.mark.parametrize("space", CHANNELS)
def test_parts_equal_a_search_of_the_mirrored_sets(
    kind: Kind, views: Views, size: int, space: Any
) -> None:
    X, G, R = sets(kind)
    if space == "chroma" and kind != "colour":
        with pytest.raises(InputError, match="chroma is that of colour images"):
            MatchedFilterPool(space=space).fit(G)
        return
    plain = Plain([X], views, space, size)
    cosines = plain.cosines(X, G)
    best = cosines.max(axis=0)
    options: dict[str, Any] = {"size": size, "space": space, "views": views}
    detector = MatchedFilterPool(**options).fit(G)
    np.testing.assert_allclose(detector.score_pool(X), top(best, best), atol=FLOAT32)
    found = MatchedFilterPool(aggregate="cube", **options).fit(G).score_pool(X)
    np.testing.assert_allclose(found, (cosines**3).mean(axis=2).max(axis=0), atol=FLOAT32)
    found = MatchedFilterPool(aggregate="logsumexp", **options).fit(G).score_pool(X)
    np.testing.assert_allclose(found, np.log(np.exp(best / 0.1).sum(axis=1)), atol=10 * FLOAT32)

    values, rows, symmetries = detector.nearest_pool(X, 4)
    np.testing.assert_allclose(values, -np.sort(-best, axis=1)[:, :4], atol=FLOAT32)
    real = np.arange(len(X))[:, None]
    np.testing.assert_allclose(cosines[symmetries, real, rows], values, atol=FLOAT32)

    plain = Plain([R], views, space, size)
    best, rivals = (plain.cosines(images, G).max(axis=0) for images in (X, R))
    found = MatchedFilter(**options).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, top(best, rivals), atol=FLOAT32)


@every_view
def test_the_generated_set_and_a_reference_whiten_in_every_view_too(views: Views) -> None:
    for size in (8, 32):  # more images than pixels, and fewer
        cosines = Plain([X, R, G], views, "pixels", size).cosines(X, G)
        detector = MatchedFilterPool(size=size, views=views, aggregate="cube", whitened_by="both")
        found = detector.fit(G, unused=R).score_pool(X)
        np.testing.assert_allclose(found, (cosines**3).mean(axis=2).max(axis=0), atol=FLOAT32)


@every_kind
@pytest.mark.parametrize("space", ["pixels", "contrast", "pca"])
def test_distances_are_those_of_the_nearest_view(kind: Kind, views: Views, space: str) -> None:
    X, G, R = sets(kind)

    def distances(images: Images, others: Images) -> Floats:
        """[n, m]"""
        seen = [embed.transform(turned) for turned in every_way(others, views)]
        if space == "pca":  # learned: images are turned, then mapped
            seen = [embed.transform(others)]
            return np.min([apart(embed.transform(x), seen[0]) for x in every_way(images, views)], 0)
        return np.min([apart(embed.transform(images), rows) for rows in seen], axis=0)

    def apart(rows: Float32s, others: Float32s) -> Floats:
        gaps = rows[:, None].astype(np.float64) - others[None]
        return np.asarray(np.sqrt((gaps**2).sum(axis=2)))

    options: dict[str, Any] = {"space": space, "size": 15, "dims": 8, "k": 3}
    detector = NearestDistance(views=views, **options).fit(G, unused=R)
    embed = fit_space(space, 15, 8, G, R)
    wanted = np.sort(distances(X, G), axis=1)[:, :3]
    np.testing.assert_allclose(detector.score_samples(X), -wanted.mean(axis=1), rtol=1e-5)
    near, rows, symmetries = detector.nearest(X, 3)
    np.testing.assert_allclose(-near, wanted, rtol=1e-5)
    if space != "pca":
        for number, symmetry in enumerate(VIEWS[views]):
            made = embed.transform(np.ascontiguousarray(in_view(G, symmetry)))
            here = np.nonzero(symmetries == number)
            gaps = embed.transform(X)[here[0]] - made[rows[here]]
            np.testing.assert_allclose(np.linalg.norm(gaps, axis=1), -near[here], rtol=1e-4)

    usual = np.sort(distances(X, R), axis=1)[:, :3].mean(axis=1)
    found = CalibratedDistance(views=views, **options).fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, np.log(usual) - np.log(wanted.mean(axis=1)), atol=1e-4)

    groups = np.arange(len(X)) // 3
    embed = fit_space(space, 15, 8, G, X)
    others = distances(X, X)
    others[groups[:, None] == groups] = np.inf
    ratio = [np.log(np.sort(d, axis=1)[:, :3].mean(axis=1)) for d in (others, distances(X, G))]
    found = CalibratedDistance(views=views, **options).fit(G).score_pool(X, groups)
    np.testing.assert_allclose(found, ratio[0] - ratio[1], atol=1e-4)


SEEING = [name for name, choice in DETECTORS.items() if choice.views]
TURNED = [(name, views) for name in SEEING for views in SEEN]


def score(name: str, generated: Images, cohort: Images, **options: Any) -> Floats:
    detector: Any = create(DETECTORS, name, "detector", **options)
    if isinstance(detector, PoolDetector):
        return detector.fit(generated).score_pool(cohort, np.arange(len(cohort)))
    return np.asarray(detector.fit(generated, unused=WORLD.reference).score_samples(cohort))


@pytest.mark.parametrize(("name", "views"), TURNED)
def test_copies_are_found_in_every_view_where_a_plain_search_finds_none(
    name: str, views: Views
) -> None:
    cohort = np.concatenate([WORLD.used[:40], WORLD.unused[:40]])
    copies = [WORLD.used[k::2][:20] for k in range(2)]
    symmetries = VIEWS[views][-2:] if views == "all" else ("mirrored", "mirrored")
    seen = [in_view(part, symmetry) for part, symmetry in zip(copies, symmetries, strict=True)]
    generated = np.concatenate([*seen, reference_world("null", 3).generated[:160]])
    plain, found = (score(name, generated, cohort, views=v) for v in ("none", views))
    assert auc(found[:40], found[40:]) > 0.99
    assert abs(auc(plain[:40], plain[40:]) - 0.5) < 0.26  # 4 deviations at 40 a side: 6e-5


@pytest.mark.parametrize(("name", "views"), TURNED)
def test_views_find_nothing_where_nothing_is(name: str, views: Views) -> None:
    """Labels are dealt at random: the AUC of a right detector is too far off once in 16,000."""
    world = reference_world("null", 1)
    cohort = np.concatenate([world.used, world.unused])
    scores = score(name, world.generated[:200], cohort, views=views)
    used = np.random.default_rng(5).permutation(len(cohort)) < 100
    assert abs(auc(scores[used], scores[~used]) - 0.5) < 4 * null_sd(100, 100)


@pytest.mark.parametrize(("name", "views"), TURNED)
def test_order_company_and_growth_with_views(name: str, views: Views) -> None:
    order = np.random.default_rng(1).permutation(len(X))
    scores = score(name, G, X, views=views)
    np.testing.assert_allclose(
        score(name, G[::-1], X[order], views=views), scores[order], atol=1e-4
    )
    detector: Any = create(DETECTORS, name, "detector", views=views)
    refitted = name == "density_ratio_knn"  # its components stay those of the smaller set
    if isinstance(detector, GrowingDetector) and detector.grows and not refitted:
        detector.fit(G[:60], unused=R).score_samples(X)
        whole = create(DETECTORS, name, "detector", views=views).fit(G, unused=R).score_samples(X)
        np.testing.assert_allclose(detector.score_more(G[60:]), whole, atol=1e-5)


@every_view
def test_neighbours_kept_while_scoring_are_those_of_a_new_search(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {kept: MatchedFilterPool(size=16, views=views, nearest=kept).fit(G) for kept in (0, 8)}
    wanted, of_generated = made[0].nearest_pool(X, 8), made[0].nearest_real(X)
    for rows in (7, 64, 1000):
        monkeypatch.setattr(cosine_search, "BLOCK_BYTES", 4 * 256 * rows)
        made[8].score_pool(X)
        with monkeypatch.context() as patched:
            patched.delattr(matched_filter, "find_neighbours")  # nothing is searched again
            found = made[8].nearest_pool(X, 8)
        theirs = made[8].nearest_real(X)
        for one, other in zip((*found, *theirs), (*wanted, *of_generated), strict=True):
            np.testing.assert_allclose(one, other, atol=FLOAT32)
    few = made[8].nearest_pool(X[:20], 8)[0]  # another cohort, another whitening
    assert few.shape == (20, 8)
    assert np.abs(few - found[0][:20]).max() > 1e-3


def test_kept_neighbours_equal_brute_force() -> None:
    cosines = Plain([X], "mirror", "pixels", 16).cosines(X, G).max(axis=0)
    detector = MatchedFilterPool(size=16, nearest=50).fit(G)
    detector.score_pool(X)
    np.testing.assert_array_equal(detector.nearest_pool(X, 50)[1], np.argsort(-cosines)[:, :50])
    values, reals, _ = detector.nearest_real(X)
    np.testing.assert_array_equal(reals, cosines.argmax(axis=0))
    np.testing.assert_allclose(values, cosines.max(axis=0), atol=FLOAT32)


def test_who_takes_views_and_who_does_not() -> None:
    for name, choice in DETECTORS.items():
        assert not choice.views or create(DETECTORS, name, "detector").views == "mirror"  # type: ignore[attr-defined]
    plan = plan_columns(None, False, {"matched_filter_band": {"views": "none"}}, views="all")
    seen = {column.name: column.options.get("views") for column in plan}
    assert seen["matched_filter_band"] == "none"  # asked for by name
    assert seen["matched_filter_pool_64"] == seen["calibrated_distance_5"] == "all"
    assert seen["cubed_filter_32"] is seen["reconstruction_ratio"] is None
    with pytest.raises(InputError, match="unknown views 'both'. Known: none, mirror, all"):
        plan_columns(None, False, views="both")  # type: ignore[arg-type]
    for detector in (MatchedFilter, NearestDistance, CalibratedDistance, DensityRatio):
        with pytest.raises(InputError, match="unknown views 'both'"):
            detector(views="both")
